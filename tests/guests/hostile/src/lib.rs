//! An executor that misbehaves in a different way at every endpoint. Each handler
//! changes the documents first, and none of these changes may reach the client.

use std::cell::Cell;
use std::hint::black_box;
use std::{fs, process, thread};

use wasm_flow_sdk::future::map_limited;
use wasm_flow_sdk::http;
use wasm_flow_sdk::prelude::*;
use wasm_flow_sdk::time::{Duration, Instant, sleep};

#[config]
struct Config {
    /// What to do instead of starting: `panic`, `error` or `spin`.
    #[serde(default)]
    at_start: String,
}

struct Hostile {
    calls: Cell<u32>,
}

#[config]
struct Path {
    path: String,
}

#[executor]
impl Hostile {
    fn new(config: Config) -> Result<Self> {
        match config.at_start.as_str() {
            "panic" => panic!("panicked while starting"),
            "error" => bail!("refused to start"),
            "spin" => spin(),
            _ => {}
        }
        Ok(Hostile {
            calls: Cell::new(0),
        })
    }

    /// Behaves: counts the calls that this instance has answered.
    #[requests(on = "/ok")]
    async fn ok(&self, docs: &mut DocumentArray) -> Json {
        self.calls.set(self.calls.get() + 1);
        for doc in docs.iter_mut() {
            doc.set_text("ok");
        }
        json!({ "calls": self.calls.get() })
    }

    #[requests(on = "/panic")]
    async fn panic(&self, docs: &mut DocumentArray) {
        spoil(docs);
        panic!("deliberate panic");
    }

    /// Prints the documents' texts, the last without an end.
    #[requests(on = "/say")]
    async fn say(&self, docs: &DocumentArray) {
        for doc in docs.iter() {
            eprintln!("said: {}", doc.text());
            eprint!("begun: {}", doc.text());
        }
    }

    /// Says the same, waits, and panics.
    #[requests(on = "/say_and_panic")]
    async fn say_and_panic(&self, docs: &DocumentArray, parameters: &Parameters) -> Result<()> {
        self.say(docs).await;
        sleep(Duration::from_secs_f64(
            parameters.get("seconds")?.unwrap_or(0.0),
        ))
        .await;
        panic!("panicked over {:?}", docs.texts().collect::<Vec<_>>());
    }

    #[requests(on = "/error")]
    async fn error(&self, docs: &mut DocumentArray) -> Result<()> {
        spoil(docs);
        let n: u32 = "not a number".parse()?;
        bail!("parsed {n} from what is not a number")
    }

    #[requests(on = "/spin")]
    async fn spin(&self, docs: &mut DocumentArray) {
        spoil(docs);
        spin();
    }

    /// Calls the host without end.
    #[requests(on = "/spin_in_host_calls")]
    async fn spin_in_host_calls(&self, docs: &mut DocumentArray) {
        spoil(docs);
        loop {
            black_box(Instant::now());
        }
    }

    /// Prints without end.
    #[requests(on = "/flood")]
    async fn flood(&self, docs: &mut DocumentArray) {
        spoil(docs);
        loop {
            println!("{}", "a flood ".repeat(100));
        }
    }

    #[requests(on = "/allocate")]
    async fn allocate(&self, docs: &mut DocumentArray) {
        spoil(docs);
        let mut kept = Vec::new();
        loop {
            kept.push(black_box(vec![1u8; 1 << 20]));
        }
    }

    /// Blocks the whole instance for `seconds`.
    #[requests(on = "/block")]
    fn block(&self, docs: &mut DocumentArray, parameters: &Parameters) -> Result<()> {
        spoil(docs);
        thread::sleep(Duration::from_secs_f64(parameters.require("seconds")?));
        Ok(())
    }

    /// Waits for `seconds` without blocking the instance.
    #[requests(on = "/sleep")]
    async fn sleep(&self, docs: &mut DocumentArray, parameters: &Parameters) -> Result<()> {
        spoil(docs);
        sleep(Duration::from_secs_f64(parameters.require("seconds")?)).await;
        Ok(())
    }

    #[requests(on = "/exit")]
    async fn exit(&self, docs: &mut DocumentArray) {
        spoil(docs);
        process::exit(0);
    }

    #[requests(on = "/overflow")]
    async fn overflow(&self, docs: &mut DocumentArray) -> Json {
        spoil(docs);
        json!({ "depth": deeper(black_box(1)) })
    }

    /// Returns the environment, the arguments and the folders that it sees.
    #[requests(on = "/environment")]
    async fn environment(&self) -> Json {
        let variables: Map = std::env::vars()
            .map(|(name, value)| (name, value.into()))
            .collect();
        let arguments: Vec<String> = std::env::args().collect();
        let root: Vec<String> = fs::read_dir("/")
            .map(|entries| {
                entries
                    .flatten()
                    .map(|entry| entry.path().display().to_string())
                    .collect()
            })
            .unwrap_or_default();
        json!({ "variables": variables, "arguments": arguments, "root": root })
    }

    #[requests(on = "/read")]
    async fn read(&self, parameters: Parameters<Path>) -> Result<Json> {
        let text = fs::read_to_string(&parameters.path)
            .context(format!("cannot read {}", parameters.path))?;
        Ok(json!({ "text": text }))
    }

    #[requests(on = "/write")]
    async fn write(&self, parameters: Parameters<Path>) -> Result<()> {
        fs::write(&parameters.path, "written by a guest")
            .context(format!("cannot write {}", parameters.path))?;
        Ok(())
    }

    /// Gets `url`.
    #[requests(on = "/http")]
    async fn http(&self, parameters: &Parameters) -> Result<Json> {
        let url: String = parameters.require("url")?;
        let response = http::get(&url).await?.error_for_status()?;
        Ok(json!({ "status": response.status(), "body": response.text()? }))
    }

    /// Posts `body` as JSON to `url`, and returns the response's JSON.
    #[requests(on = "/http_post")]
    async fn http_post(&self, parameters: &Parameters) -> Result<Json> {
        let url: String = parameters.require("url")?;
        let body: Json = parameters.require("body")?;
        let response = http::Request::post(&url)
            .header("x-probe", "yes")
            .json(&body)?
            .timeout(Duration::from_secs(5))
            .send()
            .await?
            .error_for_status()?;
        Ok(response.json()?)
    }

    /// Gets `url` so many times at once, and counts what became of it.
    #[requests(on = "/http_flood")]
    async fn http_flood(&self, parameters: &Parameters) -> Result<Json> {
        let url: String = parameters.require("url")?;
        let count: usize = parameters.require("count")?;
        let outcomes = map_limited(0..count, count, async |_| {
            let request = http::Request::get(&url).timeout(Duration::from_secs(3));
            Ok::<_, Error>(match request.send().await {
                Ok(response) => response.status().to_string(),
                Err(error) => error.to_string(),
            })
        });
        let mut counts = std::collections::BTreeMap::new();
        for outcome in outcomes.await? {
            *counts.entry(outcome).or_insert(0) += 1;
        }
        Ok(json!(counts))
    }

    /// Opens a connection with the standard library's sockets instead.
    #[requests(on = "/connect")]
    async fn connect(&self, parameters: &Parameters) -> Result<()> {
        let address: String = parameters.require("address")?;
        std::net::TcpStream::connect(&address).context(format!("cannot connect to {address}"))?;
        Ok(())
    }
}

/// A change that has to be lost when the call fails.
fn spoil(docs: &mut DocumentArray) {
    for doc in docs.iter_mut() {
        doc.set_text("spoiled");
    }
    docs.push(Document::new("spoiled"));
}

fn spin() -> ! {
    loop {
        black_box(0);
    }
}

fn deeper(depth: u64) -> u64 {
    let frame = black_box([depth; 64]);
    if frame[0] == 0 {
        0
    } else {
        deeper(depth + 1) + frame[63]
    }
}
