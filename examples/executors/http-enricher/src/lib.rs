//! Adds what a web service knows about documents.

use wasm_flow_sdk::future::{Backoff, map_limited, retry};
use wasm_flow_sdk::http::{ErrorKind, HttpError, Request};
use wasm_flow_sdk::log;
use wasm_flow_sdk::prelude::*;
use wasm_flow_sdk::time::Duration;

#[config]
struct Config {
    /// The service: it is asked with `?text=...` and answers with a JSON object.
    url: String,
    /// How many documents are asked about at a time.
    #[serde(default = "eight")]
    at_a_time: usize,
    /// How many seconds one answer may take.
    #[serde(default = "five")]
    timeout: f64,
    /// How often a question is asked that may be answered later.
    #[serde(default = "three")]
    attempts: u32,
}

fn eight() -> usize {
    8
}

fn five() -> f64 {
    5.0
}

fn three() -> u32 {
    3
}

struct HttpEnricher {
    url: String,
    at_a_time: usize,
    timeout: Duration,
    backoff: Backoff,
}

/// Adds what a web service knows about each document's text to its tags.
#[executor(wants(http = ["http://127.0.0.1:17080"]), state = "none")]
impl HttpEnricher {
    fn new(config: Config) -> Result<Self> {
        let Config {
            url,
            at_a_time,
            timeout,
            attempts,
        } = config;
        ensure!(
            (0.001..=600.0).contains(&timeout),
            "`timeout` is {timeout}: use 0.001 to 600 seconds"
        );
        ensure!(attempts > 0, "`attempts` is 0: use at least 1");
        Ok(HttpEnricher {
            url,
            at_a_time,
            timeout: Duration::from_secs_f64(timeout),
            backoff: Backoff::new(attempts),
        })
    }

    /// Asks about several documents at a time. What the service answers becomes
    /// tags. A text that the service does not know (404) gets the tag `unknown`, and
    /// any other failure fails the request.
    #[requests]
    async fn enrich(&self, docs: &mut DocumentArray, context: &Context) -> Result<()> {
        map_limited(docs.iter_mut(), self.at_a_time, async |doc| {
            match self.ask(doc.text(), context.request_id()).await {
                Ok(answer) => doc.tags_mut().extend(answer),
                Err(error) if error.kind() == ErrorKind::Status(404) => {
                    doc.set_tag("unknown", true);
                }
                Err(error) => {
                    log::warn!(document = doc.id(), "{error}");
                    return Err(Error::from(error).at_document(doc.id()));
                }
            }
            Ok(())
        })
        .await
        .map(drop)
    }
}

impl HttpEnricher {
    async fn ask(&self, text: &str, request_id: &str) -> Result<Map, HttpError> {
        retry(self.backoff, async || {
            Request::get(&self.url)
                .query_pair("text", text)
                .header("x-request-id", request_id)
                .timeout(self.timeout)
                .send()
                .await?
                .error_for_status()?
                .json()
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use wasm_flow_sdk::http::Response;
    use wasm_flow_sdk::testing::{Post, TestExecutor};
    use wasm_flow_sdk::time::sleep;

    use super::*;

    fn start(more: Json) -> Result<TestExecutor<HttpEnricher>> {
        let mut uses_with = json!({ "url": "http://127.0.0.1:17080/about" });
        if let (Some(all), Json::Object(more)) = (uses_with.as_object_mut(), more) {
            all.extend(more);
        }
        TestExecutor::start(uses_with)
    }

    #[test]
    fn answers_become_tags() -> Result<()> {
        let enricher = start(json!({}))?.with_http(|request: &Request| {
            assert_eq!(request.path(), "/about");
            assert_eq!(request.header("x-request-id"), Some("one"));
            Ok(match request.query("text").as_deref() {
                Some("grün & blau") => Response::of_json(200, json!({ "colours": 2 })),
                _ => Response::new(404, "never heard of it"),
            })
        });
        let post = Post::new("/").request_id("one").docs(["grün & blau", "x"]);
        let docs = enricher.request(post)?.docs;
        assert_eq!(docs[0].tag_as::<u32>("colours")?, Some(2));
        assert_eq!(docs[1].tag("unknown"), Some(&json!(true)));
        Ok(())
    }

    #[test]
    fn only_so_many_questions_are_asked_at_a_time() -> Result<()> {
        thread_local! {
            static ASKED: Cell<usize> = const { Cell::new(0) };
            static MOST: Cell<usize> = const { Cell::new(0) };
        }
        let enricher = start(json!({ "at_a_time": 4 }))?.with_http(async |_: &Request| {
            ASKED.set(ASKED.get() + 1);
            MOST.set(MOST.get().max(ASKED.get()));
            sleep(Duration::from_millis(5)).await;
            ASKED.set(ASKED.get() - 1);
            Ok(Response::of_json(200, json!({})))
        });
        enricher.post("/", DocumentArray::from_texts(vec!["x"; 20]))?;
        assert_eq!(MOST.get(), 4);
        Ok(())
    }

    #[test]
    fn a_busy_service_is_asked_again() -> Result<()> {
        let mut questions = 0;
        let enricher = start(json!({}))?.with_http(move |_: &Request| {
            questions += 1;
            match questions {
                1 => Err(ErrorKind::Timeout.into()),
                2 => Ok(Response::new(503, "busy")),
                _ => Ok(Response::of_json(200, json!({ "questions": questions }))),
            }
        });
        let docs = enricher.post("/", ["x"])?.docs;
        assert_eq!(docs[0].tag("questions"), Some(&json!(3)));
        Ok(())
    }

    #[test]
    fn a_failure_names_its_document() -> Result<()> {
        let enricher =
            start(json!({}))?.with_http(|_: &Request| Ok(Response::new(400, "no such language")));
        let error = enricher.post("/", ["x"]).unwrap_err();
        assert_eq!(error.name(), "HttpStatus");
        assert!(
            error.message().ends_with("status 400: no such language"),
            "{error}"
        );
        Ok(())
    }
}
