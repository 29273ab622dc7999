//! What is asked of the server, and what has to come of it.

use std::time::Duration;

use serde_json::{Map, Value, json};
use wasm_flow::Client;
use wasm_flow::contract::{FailureKind, Retry};
use wasm_flow::gateway::client::{PostFailure, PostRequest, PostResponse};
use wasm_flow_document::DocumentArray;

/// Whoever has no answer after so long has lost it.
const PATIENCE: Duration = Duration::from_secs(60);
/// About a millisecond of computing.
const ROUNDS: u32 = 40_000;
const TEXTS: u64 = 64;
/// Requests of one stream.
const STREAM: usize = 10;

/// What became of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Answered, and the answer is right.
    Served,
    /// There was no room for it, and the answer says when to come again.
    Refused,
    /// It was hostile, and failed as it should.
    ByDesign,
    /// Neither: a wrong answer, or a failure that is nobody's fault.
    Otherwise(String),
    /// It was not answered.
    Lost(String),
}

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    /// Behaves, and asks for more than can be served.
    Busy,
    /// Behaves, and asks an executor that has time.
    Bystander,
    /// Does not behave: the number of the attack.
    Hostile(usize),
}

/// What is sent at once: a request, or a stream of them.
#[derive(Debug, Clone)]
pub(super) enum Shot {
    /// A millisecond of computing for the executor of this name.
    Digest(&'static str, u64),
    /// Ten of these in one stream.
    Stream(u64),
    /// A number that ten does not divide, to an executor that panics over the others.
    Tenth(u64),
    /// A request to an executor with nothing else to do.
    Trace(u64),
    /// The attack of this number.
    Attack(usize, u64),
}

/// A request to an executor that is there to do harm.
struct Attack {
    executor: &'static str,
    endpoint: &'static str,
    /// The attack comes after the answer, which is none of a failure.
    is_answered: bool,
}

/// An attack whose call fails, of an executor that others are in, and of one for itself.
const fn fails(executor: &'static str, endpoint: &'static str) -> Attack {
    Attack {
        executor,
        endpoint,
        is_answered: false,
    }
}

const fn answers(executor: &'static str, endpoint: &'static str) -> Attack {
    Attack {
        executor,
        endpoint,
        is_answered: true,
    }
}

/// `mob` and `raw` are shared, `loner` and `outcast` have an instance for each request.
const ATTACKS: [Attack; 35] = [
    fails("mob", "/panic"),
    fails("mob", "/error"),
    fails("mob", "/spin"),
    fails("mob", "/spin_in_host_calls"),
    fails("mob", "/allocate"),
    fails("mob", "/block"),
    fails("mob", "/exit"),
    fails("mob", "/overflow"),
    fails("mob", "/flood"),
    fails("loner", "/panic"),
    fails("loner", "/error"),
    fails("loner", "/spin"),
    fails("loner", "/spin_in_host_calls"),
    fails("loner", "/allocate"),
    fails("loner", "/block"),
    fails("loner", "/exit"),
    fails("loner", "/overflow"),
    fails("loner", "/flood"),
    answers("raw", "/tail_spin"),
    answers("raw", "/tail_panic"),
    fails("raw", "/hoard"),
    fails("raw", "/log_for_ever"),
    fails("outcast", "/hoard"),
    fails("outcast", "/matrix"),
    fails("outcast", "/aliased"),
    fails("outcast", "/open_streams"),
    fails("outcast", "/recursion"),
    fails("outcast", "/foreign"),
    fails("outcast", "/drop_twice"),
    fails("outcast", "/far"),
    fails("outcast", "/abort"),
    fails("outcast", "/log_for_ever"),
    fails("outcast", "/random_for_ever"),
    fails("outcast", "/repeat"),
    // Panics in an instance of those that behave.
    fails("shared", "/tenth"),
];

/// How many attacks there are.
pub(super) const ATTACK_COUNT: usize = ATTACKS.len();

/// An attack's executor and endpoint.
pub(super) fn attack_name(number: usize) -> String {
    match ATTACKS.get(number) {
        Some(attack) => format!("{}{}", attack.executor, attack.endpoint),
        None => format!("attack {number}"),
    }
}

impl Shot {
    /// What well-behaved clients send, mixed.
    pub(super) fn well_behaved(number: u64) -> Shot {
        let dice = mixed(number);
        match dice % 100 {
            0..55 => Shot::Digest("shared", dice >> 8),
            55..80 => Shot::Digest("fresh", dice >> 8),
            80..85 => Shot::Stream(dice >> 8),
            85..90 => Shot::Tenth(dice >> 8),
            _ => Shot::Trace(dice >> 8),
        }
    }

    /// The same, with a tenth of attacks among it.
    pub(super) fn tenth_hostile(number: u64) -> Shot {
        let dice = mixed(!number);
        match dice % 10 {
            0 => {
                let attack = (dice >> 8) % ATTACK_COUNT as u64;
                Shot::Attack(attack as usize, dice >> 16)
            }
            _ => Shot::well_behaved(number),
        }
    }

    /// Who sends such.
    pub(super) fn who(&self) -> Who {
        match self {
            Shot::Digest(..) | Shot::Stream(_) | Shot::Tenth(_) => Who::Busy,
            Shot::Trace(_) => Who::Bystander,
            Shot::Attack(attack, _) => Who::Hostile(*attack),
        }
    }

    /// Sends it, and judges what comes back: an outcome for each request.
    pub(super) async fn send(self, client: &Client, expected: &Expected) -> Vec<Outcome> {
        let requests = match self {
            Shot::Stream(_) => STREAM,
            _ => 1,
        };
        let shown = format!("{self:?}");
        match tokio::time::timeout(PATIENCE, self.answered(client, expected)).await {
            Ok(outcomes) => outcomes,
            Err(_) => vec![Outcome::Lost(format!("{shown}: no answer in {PATIENCE:?}")); requests],
        }
    }

    async fn answered(self, client: &Client, expected: &Expected) -> Vec<Outcome> {
        let one = |executor: &str, endpoint: &str, parameters: Map<String, Value>, text: &str| {
            client.send(PostRequest {
                endpoint: endpoint.to_owned(),
                target: Some(executor.to_owned()),
                parameters,
                docs: DocumentArray::from_texts([text]),
            })
        };
        let called = match &self {
            Shot::Digest(executor, text) => {
                let text = Expected::text(*text);
                one(executor, "/digest", rounds(), &text).await
            }
            Shot::Trace(text) => one("probe", "/trace", Map::new(), &text.to_string()).await,
            Shot::Tenth(number) => {
                let number = not_a_multiple(*number).to_string();
                one("shared", "/tenth", Map::new(), &number).await
            }
            Shot::Attack(attack, number) => {
                let Some(attack) = ATTACKS.get(*attack) else {
                    return vec![Outcome::Otherwise(format!("no attack {attack}"))];
                };
                let text = ((number % 100_000) * 10).to_string();
                let parameters = json!({ "seconds": 5, "bytes": 30_000_000 });
                let parameters = parameters.as_object().cloned().unwrap_or_default();
                one(attack.executor, attack.endpoint, parameters, &text).await
            }
            Shot::Stream(first) => return stream(client, *first, expected).await,
        };
        match called {
            Ok(response) => vec![self.judged(response, 0, expected)],
            Err(error) => vec![Outcome::Lost(format!("{self:?}: {error}"))],
        }
    }

    /// Judges the answer to one request, the one of this place in a stream.
    fn judged(&self, response: PostResponse, place: u64, expected: &Expected) -> Outcome {
        let wrong = |what: String| Outcome::Otherwise(format!("{self:?}: {what}"));
        let attack = match self {
            Shot::Attack(attack, _) => ATTACKS.get(*attack),
            _ => None,
        };
        if let Some(failure) = &response.failure {
            return match attack {
                _ if is_refusal(failure) => Outcome::Refused,
                Some(attack) if is_by_design(failure, attack) => Outcome::ByDesign,
                _ => wrong(format!("{:?}: {failure}", failure.kind)),
            };
        }
        let texts: Vec<&str> = response.docs.texts().collect();
        let right = match self {
            Shot::Attack(..) if attack.is_some_and(|attack| attack.is_answered) => {
                return Outcome::ByDesign;
            }
            Shot::Attack(..) => return wrong(format!("it was answered: {texts:?}")),
            Shot::Digest(_, text) => expected.digest(*text).to_owned(),
            Shot::Stream(first) => expected.digest(first.wrapping_add(place)).to_owned(),
            Shot::Tenth(number) => format!("{} is not", not_a_multiple(*number)),
            Shot::Trace(text) => format!("{text}>probe/rep-0"),
        };
        if texts == [right.as_str()] {
            Outcome::Served
        } else {
            wrong(format!("{texts:?} and not {right:?}"))
        }
    }
}

/// Ten requests in one stream, answered in their order.
async fn stream(client: &Client, first: u64, expected: &Expected) -> Vec<Outcome> {
    let shot = Shot::Stream(first);
    let texts = (0..STREAM as u64).map(|place| Expected::text(first.wrapping_add(place)));
    let post = client
        .post("/digest")
        .target_executor("shared")
        .parameters(rounds())
        .docs(DocumentArray::from_texts(texts))
        .request_size(1);
    match post.responses().await {
        Ok(responses) if responses.len() == STREAM => (0..)
            .zip(responses)
            .map(|(place, response)| shot.judged(response, place, expected))
            .collect(),
        Ok(responses) => {
            let count = responses.len();
            vec![Outcome::Lost(format!("{count} answers to {STREAM} requests")); STREAM]
        }
        Err(error) => vec![Outcome::Lost(format!("{shot:?}: {error}")); STREAM],
    }
}

/// There was no room, and the answer says when there may be.
fn is_refusal(failure: &PostFailure) -> bool {
    failure.kind == Some(FailureKind::Exhausted)
        && matches!(failure.retry, Some(Retry::May { after: Some(_) }))
}

/// The failure is the attacker's own, or that of somebody who was in an instance with it.
fn is_by_design(failure: &PostFailure, attack: &Attack) -> bool {
    let of_executor = failure
        .description
        .contains(&format!("`{}`", attack.executor));
    let kind = match attack.executor {
        // Those that are beside it are run again, and so is it, alone.
        "shared" => failure.description.contains("is a multiple of ten"),
        _ => matches!(
            failure.kind,
            Some(
                FailureKind::Method
                    | FailureKind::Trap
                    | FailureKind::Timeout
                    | FailureKind::Lost
                    | FailureKind::Unavailable
                    | FailureKind::Reply
            )
        ),
    };
    of_executor && kind
}

fn rounds() -> Map<String, Value> {
    Map::from_iter([("rounds".to_owned(), Value::from(ROUNDS))])
}

fn not_a_multiple(number: u64) -> u64 {
    number % 100_000 * 10 + 1 + number % 9
}

/// A number that looks like chance, from one that counts (splitmix64).
fn mixed(number: u64) -> u64 {
    let mut bits = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// The right answers, computed once.
pub(super) struct Expected(Vec<String>);

impl Expected {
    pub(super) fn new() -> Expected {
        Expected(
            (0..TEXTS)
                .map(|text| digest(&Expected::text(text)))
                .collect(),
        )
    }

    fn text(number: u64) -> String {
        format!("text number {} of the soak", number % TEXTS)
    }

    fn digest(&self, number: u64) -> &str {
        let place = (number % TEXTS) as usize;
        self.0.get(place).map_or("", String::as_str)
    }
}

/// What `digest` of the guest `twins` does.
fn digest(text: &str) -> String {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for _ in 0..ROUNDS {
        for byte in text.bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    format!("{hash:016x}")
}
