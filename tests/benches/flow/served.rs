//! Servers under load: flows beside the plain server.

use std::path::Path;
use std::time::Instant;

use bytes::Bytes;
use prost::Message as _;

use crate::Options;
use crate::client::{CONNECTIONS, Client};
use crate::native::jina::DataRequestProto;
use crate::native::uppercase;
use crate::server::Server;
use crate::statistics::{Ratios, median, table};
use crate::workload::Workload;

/// The lengths of the flows.
const LENGTHS: [u32; 3] = [1, 3, 10];

/// Requests in flight on each connection, where it does not wait for the answer
/// to one before it sends the next.
const PIPELINED: usize = 8;

/// What the executor binds, and what it does not.
const BOUND: &str = "/rows";
const NOT_BOUND: &str = "/elsewhere";

/// A line of the table, for each workload.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Row {
    /// The plain server, which does the work this often.
    Native(u32),
    /// A flow of so many executors that each do the work once.
    Flow(u32),
    /// A flow of one executor that has nothing to do with the request.
    Untouched,
}

impl Row {
    fn name(self) -> String {
        match self {
            Row::Native(1) => "native".to_owned(),
            Row::Native(times) => format!("native, work done {times} times"),
            Row::Flow(1) => "flow of 1".to_owned(),
            Row::Flow(length) => format!("flow of {length}"),
            Row::Untouched => "flow of 1, endpoint not bound".to_owned(),
        }
    }

    fn endpoint(self) -> &'static str {
        match self {
            Row::Untouched => NOT_BOUND,
            _ => BOUND,
        }
    }

    /// The row that does the same work natively.
    fn same_work(self) -> Row {
        match self {
            Row::Flow(length) => Row::Native(length),
            _ => Row::Native(1),
        }
    }
}

/// A server and how to reach it.
struct Running {
    server: Server,
    client: Client,
}

/// What was measured of a row, a value a round.
#[derive(Default)]
struct Measured {
    /// Requests a second.
    waiting: Vec<f64>,
    pipelined: Vec<f64>,
    /// Microseconds of the server's processor time a request, in both.
    waiting_used: Vec<f64>,
    pipelined_used: Vec<f64>,
    /// Milliseconds.
    latency: Vec<f64>,
}

/// Runs the servers and prints the table.
pub(crate) fn run(executor: &Path, options: &Options) {
    let runtime = tokio::runtime::Runtime::new().expect("a scheduler");
    runtime.block_on(measure(executor, options));
}

async fn measure(executor: &Path, options: &Options) {
    let wanted = |row: Row| match (&options.only, row) {
        (Some(name), row) => row == Row::Native(1) || row.name() == *name,
        (None, _) => true,
    };
    // Beside each other in the order that they run in: what is compared.
    let rows: Vec<Row> = [Row::Untouched]
        .into_iter()
        .chain(
            LENGTHS
                .into_iter()
                .flat_map(|length| [Row::Native(length), Row::Flow(length)]),
        )
        .filter(|row| wanted(*row))
        .collect();
    let mut servers: Vec<(Row, Running)> = Vec::new();
    for &row in &rows {
        let server = match row {
            Row::Native(times) => Server::native(times),
            Row::Flow(length) => Server::flow(executor, length),
            Row::Untouched => Server::flow(executor, 1),
        };
        let client = Client::connect(server.port()).await;
        servers.push((row, Running { server, client }));
    }

    eprintln!(
        "servers: {} rounds of {} rows, about {:.0} s",
        options.rounds,
        servers.len() * options.workloads.len(),
        f64::from(options.rounds)
            * (servers.len() * options.workloads.len()) as f64
            * (options.load * 2 + options.single).as_secs_f64(),
    );
    let start = Instant::now();
    let mut measured: Vec<Vec<Measured>> = options
        .workloads
        .iter()
        .map(|_| servers.iter().map(|_| Measured::default()).collect())
        .collect();
    for &workload in &options.workloads {
        for (row, running) in &servers {
            check(*row, running, workload).await;
            // Not counted: memory is touched and code is compiled for the first time.
            let frame = workload.frame(row.endpoint());
            running.client.load(&frame, PIPELINED, options.single).await;
        }
    }
    for round in 0..options.rounds {
        for (workload, measured) in options.workloads.iter().zip(&mut measured) {
            let mut turns: Vec<_> = servers.iter().zip(measured).collect();
            if round % 2 == 1 {
                turns.reverse();
            }
            for ((row, running), measured) in turns {
                let frame = workload.frame(row.endpoint());
                turn(running, &frame, options, measured).await;
            }
        }
    }

    print(&rows, &options.workloads, &measured);
    eprintln!("({:.0} s)", start.elapsed().as_secs_f64());
}

async fn turn(running: &Running, frame: &Bytes, options: &Options, measured: &mut Measured) {
    let Running { server, client } = running;
    for (in_flight, per_second, used) in [
        (1, &mut measured.waiting, &mut measured.waiting_used),
        (
            PIPELINED,
            &mut measured.pipelined,
            &mut measured.pipelined_used,
        ),
    ] {
        let before = server.used();
        let load = client.load(frame, in_flight, options.load).await;
        let after = server.used();
        let requests = load.requests as f64;
        per_second.push(requests / load.time.as_secs_f64());
        if let (Some(before), Some(after)) = (before, after) {
            used.push(after.saturating_sub(before).as_secs_f64() * 1e6 / requests);
        }
    }
    let latencies = client.single(frame, options.single).await;
    measured.latency.push(median(latencies).unwrap_or(f64::NAN));
}

/// A server that answers fast and wrong is of no use.
async fn check(row: Row, running: &Running, workload: Workload) {
    let sent = workload.request(row.endpoint());
    let answer = running.client.answer(&sent.encode_to_vec().into()).await;
    let answer = DataRequestProto::decode(answer).expect("an answer that can be read");
    let mut expected = sent;
    if row != Row::Untouched {
        uppercase(&mut expected);
    }
    let status = answer.header.and_then(|header| header.status);
    assert!(status.is_none(), "{}: {status:?}", row.name());
    assert!(
        answer.data == expected.data,
        "{}: other documents than expected",
        row.name()
    );
}

fn print(rows: &[Row], workloads: &[Workload], measured: &[Vec<Measured>]) {
    let mut lines = Vec::new();
    for (workload, measured) in workloads.iter().zip(measured) {
        let of = |wanted: Row| {
            let found = rows.iter().zip(measured).find(|(row, _)| **row == wanted);
            found.map(|(_, measured)| measured)
        };
        let shown = |values: &[f64], digits: usize| match median(values.to_vec()) {
            Some(value) => format!("{value:.digits$}"),
            None => "-".to_owned(),
        };
        for (&row, one) in rows.iter().zip(measured) {
            let ratio = |to: Row, get: fn(&Measured) -> &Vec<f64>| match of(to) {
                Some(to) if row != Row::Native(1) => Ratios::new(get(one), get(to)).shown(),
                _ => String::new(),
            };
            let mut line = vec![
                row.name(),
                workload.documents.to_string(),
                workload.embedding_name(),
            ];
            let loads: [fn(&Measured) -> &Vec<f64>; 2] =
                [|measured| &measured.waiting, |measured| &measured.pipelined];
            for get in loads {
                line.push(shown(get(one), 0));
                line.push(ratio(Row::Native(1), get));
                line.push(match row {
                    Row::Flow(2..) => ratio(row.same_work(), get),
                    _ => String::new(),
                });
            }
            line.push(shown(&one.latency, 3));
            line.push(shown(&one.waiting_used, 1));
            line.push(shown(&one.pipelined_used, 1));
            lines.push(line);
        }
    }
    println!(
        "Requests over gRPC (JinaRPC/Call), on {} cores. Every server is a process of its own, \
         the client another. {CONNECTIONS} connections: \"waiting\", each sends a request when the \
         one before is answered; \"pipelined\", each has {PIPELINED} in flight. Latency: one \
         connection, one request at a time. Medians of rounds in which all servers take turns; \
         ratios round by round: median (least..greatest).\n\n\
         \"native\" is a tonic server that uppercases the texts once. Each executor of a flow \
         does so too: a flow of N does the work of \"native, work done N times\", and that is what \
         \"÷ same work\" compares. A message is {} long.\n",
        std::thread::available_parallelism().map_or(0, usize::from),
        sizes(workloads),
    );
    let head = [
        "server",
        "docs",
        "embedding",
        "waiting, req/s",
        "÷ native",
        "÷ same work",
        "pipelined, req/s",
        "÷ native",
        "÷ same work",
        "latency, ms",
        "CPU µs/req, waiting",
        "pipelined",
    ];
    println!("{}", table(&head, &lines));
}

/// How long the messages are.
fn sizes(workloads: &[Workload]) -> String {
    let sizes = workloads.iter().map(|workload| {
        let length = workload.frame(BOUND).len();
        format!("{length} bytes ({})", workload.name())
    });
    sizes.collect::<Vec<_>>().join(", ")
}
