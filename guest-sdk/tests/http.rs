//! The HTTP client, with tests that answer its requests.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use wasm_flow_sdk::future::{Retry, Retryable as _, join};
use wasm_flow_sdk::http::{self, ErrorKind, HttpError, Request, RequestBuilder, Response};
use wasm_flow_sdk::prelude::*;
use wasm_flow_sdk::testing::{Post, TestExecutor, block_on, with_http};
use wasm_flow_sdk::time::{Duration, Instant, sleep};

/// Gets a page when it starts, for each document, and when it stops.
struct Pages {
    first: String,
    last: Rc<RefCell<String>>,
}

#[executor]
impl Pages {
    async fn new() -> Result<Self> {
        Ok(Pages {
            first: text("http://h/new").await?,
            last: Rc::default(),
        })
    }

    #[requests(on = "/pages")]
    async fn pages(&self, docs: &mut DocumentArray) -> Result<()> {
        for doc in docs.iter_mut() {
            let page = text(doc.text()).await?;
            doc.set_text(page);
        }
        Ok(())
    }

    #[requests(on = "/first")]
    async fn first(&self) -> Json {
        json!({ "first": self.first })
    }

    #[stop]
    async fn stop(&mut self) -> Result<()> {
        let last = text("http://h/stop").await?;
        self.last.replace(last);
        Ok(())
    }
}

async fn text(url: &str) -> Result<String, HttpError> {
    let page = http::get(url).await?.error_for_status()?;
    Ok(page.text()?.to_owned())
}

fn by_hand() -> TestExecutor<Pages> {
    TestExecutor::of(Pages {
        first: String::new(),
        last: Rc::default(),
    })
}

/// Sends a request to a server that is this function.
fn send(
    request: RequestBuilder,
    answer: impl FnMut(&Request) -> Result<Response, HttpError> + 'static,
) -> Result<Response, HttpError> {
    block_on(with_http(answer, request.send()))
}

/// A server where `/to/status/url` redirects, and every other path is a page that
/// says how it was asked for.
fn site(request: &Request) -> Result<Response, HttpError> {
    let (_, path) = request.url().split_once("/to/").unwrap_or_default();
    let redirect = path.split_once('/');
    Ok(match redirect.map(|(status, to)| (status.parse(), to)) {
        Some((Ok(status), to)) => Response::new(status, "moved").with_header("Location", to),
        _ => {
            let names: Vec<&str> = request.headers().map(|(name, _)| name).collect();
            Response::of_json(200, json!({ "headers": names.join(" ") }))
        }
    })
}

#[test]
fn without_an_answer_a_request_says_what_to_do() {
    let error = block_on(http::get("https://example.com/")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoHost);
    let text = error.to_string();
    assert!(text.starts_with("https://example.com/: "), "{text}");
    assert!(text.contains("`with_http`"), "{text}");
    let error = by_hand().post("/pages", ["http://h/"]);
    assert_eq!(error.unwrap_err().name(), "HttpNoHost");
    let error = TestExecutor::<Pages>::start(json!({})).err().unwrap();
    assert_eq!(error.name(), "HttpNoHost");
    // What is wrong with the request itself comes first.
    let error = block_on(http::get("example.com")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Url);
}

#[test]
fn an_executor_is_answered_from_its_start_to_its_stop() {
    let asked = Rc::new(RefCell::new(Vec::new()));
    let log = asked.clone();
    let pages = TestExecutor::<Pages>::builder()
        .with_http(move |request: &Request| {
            log.borrow_mut().push(request.url().to_owned());
            Ok(Response::new(200, request.path()))
        })
        .start(json!({}))
        .unwrap();
    let reply = pages.post("/first", [""]).unwrap();
    assert_eq!(reply.results, Some(json!({ "first": "/new" })));
    let reply = pages.post("/pages", ["http://h/a?b"]).unwrap();
    assert_eq!(reply.docs[0].text(), "/a");
    let stopped = pages.stop().unwrap();
    assert_eq!(*stopped.last.borrow(), "/stop");
    assert_eq!(
        *asked.borrow(),
        ["http://h/new", "http://h/a?b", "http://h/stop"]
    );
}

#[test]
fn two_executors_at_once_do_not_mix() {
    let answering = |name: &'static str| {
        by_hand().with_http(async move |_: &Request| {
            sleep(Duration::from_millis(5)).await;
            Ok(Response::new(200, name))
        })
    };
    let (one, other) = (answering("one"), answering("other"));
    let docs = || ["http://h/"; 3];
    let post = || Post::new("/pages").docs(docs());
    block_on(with_http(
        |_: &Request| Ok(Response::new(200, "outside")),
        async {
            let (a, b) = join(one.send(post()), other.send(post())).await;
            assert!(a.unwrap().docs.texts().all(|text| text == "one"));
            assert!(b.unwrap().docs.texts().all(|text| text == "other"));
            // It has no answers of its own, and takes those around it.
            let reply = by_hand().send(post()).await.unwrap();
            assert!(reply.docs.texts().all(|text| text == "outside"));
        },
    ));
    let error = block_on(http::get("http://h/")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoHost, "nothing is left over");
}

#[test]
fn a_panic_leaves_no_answers_behind() {
    let panicked =
        std::panic::catch_unwind(|| send(Request::get("http://h/"), |_| panic!("the test failed")));
    assert!(panicked.is_err());
    let error = block_on(http::get("http://h/")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoHost);
}

#[test]
fn an_answer_may_be_an_error() {
    let error = send(Request::get("http://h/a"), |_| {
        Err(ErrorKind::Timeout.into())
    })
    .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(error.url(), "http://h/a");
    assert!(error.is_retryable());
    assert_eq!(error.to_string(), "http://h/a: the response took too long");

    let pages =
        by_hand().with_http(|_: &Request| Err(HttpError::new(ErrorKind::Refused, "not granted")));
    let error = pages.post("/pages", ["http://h/a"]).unwrap_err();
    assert_eq!(error.name(), "HttpRefused");
    assert_eq!(error.message(), "http://h/a: not granted");
}

#[test]
fn an_answer_may_change_from_call_to_call() {
    let mut calls = 0;
    let mut answers = [503, 429, 200].into_iter();
    let answer = move |_: &Request| {
        calls += 1;
        Ok(Response::new(
            answers.next().unwrap(),
            format!("call {calls}"),
        ))
    };
    block_on(with_http(answer, async {
        assert_eq!(http::get("http://h/").await.unwrap().status(), 503);
        assert_eq!(http::get("http://h/").await.unwrap().status(), 429);
        assert_eq!(http::get("http://h/").await.unwrap().text(), Ok("call 3"));
    }));
}

#[test]
fn an_answer_that_sends_a_request_is_an_error() {
    let error = send(Request::get("http://h/"), |_| {
        block_on(http::get("http://h/again"))
    })
    .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol);
    assert_eq!(error.url(), "http://h/again");
}

#[test]
fn answers_run_at_once_and_a_slow_one_is_over_time() {
    let most = Rc::new(Cell::new(0));
    let (running, seen) = (Cell::new(0), most.clone());
    let answer = async move |request: &Request| {
        running.set(running.get() + 1);
        seen.set(seen.get().max(running.get()));
        let seconds = if request.path() == "/slow" {
            60.0
        } else {
            0.01
        };
        sleep(Duration::from_secs_f64(seconds)).await;
        running.set(running.get() - 1);
        Ok(Response::new(200, request.path()))
    };
    let limit = Duration::from_millis(50);
    let start = Instant::now();
    block_on(with_http(answer, async {
        let (quick, slow) = join(
            Request::get("http://h/quick").timeout(limit).send(),
            Request::get("http://h/slow").timeout(limit).send(),
        )
        .await;
        assert_eq!(quick.unwrap().text(), Ok("/quick"));
        let error = slow.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout);
        assert_eq!(error.to_string(), "http://h/slow: not finished within 50ms");
    }));
    assert_eq!(most.get(), 2);
    assert!(start.elapsed() < Duration::from_secs(30));
}

#[test]
fn a_body_has_a_limit() {
    let request = |method, limit| RequestBuilder::new(method, "http://h/").max_body(limit);
    let answer = |_: &Request| Ok(Response::new(200, "12345"));
    assert_eq!(send(request("GET", 5), answer).unwrap().text(), Ok("12345"));
    let error = send(request("GET", 4), answer).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Body);
    assert!(error.to_string().contains("more than 4 bytes"), "{error}");
    assert!(!error.is_retryable());
    let head = send(request("HEAD", 4), answer).unwrap();
    assert_eq!(head.bytes(), b"", "the response to HEAD has no body");
}

#[test]
fn redirects_are_followed() {
    for (url, end) in [
        ("http://h/to/301/page", "http://h/to/301/page"),
        ("http://h/a/to/302//b?q#f", "http://h/b?q"),
        ("http://h/to/307/https://other/x", "https://other/x"),
        ("http://h/to/308///other/x", "http://other/x"),
        ("http://h/to/303//to/302//end", "http://h/end"),
    ] {
        let server = |request: &Request| match request.url() {
            // Relative to the page that redirects.
            "http://h/to/301/page" => Ok(Response::new(200, "")),
            _ => site(request),
        };
        let response = send(Request::get(url), server).unwrap();
        assert_eq!(response.status(), 200, "{url}");
        assert_eq!(response.url(), end, "{url}");
    }
    // Not redirects, or without a place to go.
    for status in [300, 304, 305, 200, 404] {
        let response = send(Request::get(format!("http://h/to/{status}//x")), site).unwrap();
        assert_eq!(response.status(), status);
        assert_eq!(response.text(), Ok("moved"));
    }
    let response = send(Request::get("http://h/"), |_| {
        Ok(Response::new(302, "none"))
    });
    assert_eq!(response.unwrap().text(), Ok("none"));
}

#[test]
fn a_redirect_keeps_or_changes_the_method() {
    for (method, status, expected, kept) in [
        ("GET", 301, "GET", true),
        ("HEAD", 303, "HEAD", true),
        ("POST", 301, "GET", false),
        ("POST", 302, "GET", false),
        ("POST", 303, "GET", false),
        ("PUT", 302, "PUT", true),
        ("PUT", 303, "GET", false),
        ("POST", 307, "POST", true),
        ("DELETE", 308, "DELETE", true),
    ] {
        let last = Rc::new(RefCell::new(None));
        let seen = last.clone();
        let request = RequestBuilder::new(method, format!("http://h/to/{status}//end"))
            .header("Content-Type", "text/plain")
            .header("x-other", "1")
            .body("body");
        let response = send(request, move |request| {
            seen.replace(Some(request.clone()));
            site(request)
        });
        assert_eq!(response.unwrap().url(), "http://h/end");
        let last = last.take().unwrap();
        assert_eq!(last.method(), expected, "{method} {status}");
        let (body, headers) = match kept {
            true => ("body", 2),
            false => ("", 1),
        };
        assert_eq!(last.body(), body.as_bytes(), "{method} {status}");
        assert_eq!(last.headers().count(), headers, "{method} {status}");
        assert_eq!(last.header("x-other"), Some("1"));
    }
}

#[test]
fn secrets_stay_with_their_origin() {
    for (location, headers) in [
        ("/end", "Authorization cookie Proxy-Authorization x-other"),
        (
            "http://H:80/end",
            "Authorization cookie Proxy-Authorization x-other",
        ),
        ("http://h:8080/end", "x-other"),
        ("https://h/end", "x-other"),
        ("http://other/end", "x-other"),
        // Gone is gone.
        ("http://other/to/302/http://h/end", "x-other"),
    ] {
        let request = Request::get(format!("http://h/to/302/{location}"))
            .header("Authorization", "a")
            .header("cookie", "b")
            .header("Proxy-Authorization", "c")
            .header("x-other", "d");
        let page: Json = send(request, site).unwrap().json().unwrap();
        assert_eq!(page["headers"], headers, "{location}");
    }
}

#[test]
fn what_cannot_be_followed_is_an_error() {
    for (url, part) in [
        ("https://h/to/302/http://h/end", "from `https` to `http`"),
        ("http://h/to/302/ftp://h/", "scheme `ftp`"),
        ("http://h/to/302/mailto:a@b.example", "is not a URL"),
    ] {
        let error = send(Request::get(url), site).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Redirect, "{url}");
        assert_eq!(error.url(), url);
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[test]
fn redirects_have_a_limit() {
    let calls = Rc::new(Cell::new(0));
    let counted = |calls: &Rc<Cell<u32>>| {
        let calls = calls.clone();
        move |_: &Request| {
            calls.set(calls.get() + 1);
            Ok(Response::new(302, "round and round").with_header("location", "/loop"))
        }
    };
    let error = send(Request::get("http://h/"), counted(&calls)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Redirect);
    assert_eq!(
        error.to_string(),
        "http://h/: redirected to http://h/loop: there are more than 10 redirects"
    );
    assert_eq!(calls.take(), 11, "the first request and ten more");

    let error = send(Request::get("http://h/").redirects(1), counted(&calls)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Redirect);
    assert_eq!(calls.take(), 2);

    let request = Request::get("http://h/").redirects(0);
    let response = send(request, counted(&calls)).unwrap();
    assert_eq!(calls.take(), 1);
    assert_eq!(response.text(), Ok("round and round"));
    let error = response.error_for_status().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Status(302));
    assert!(error.to_string().contains("to /loop"), "{error}");

    // The body of a redirect that is followed does not count.
    let request = Request::get("http://h/to/302//end").max_body(0);
    let ends = |request: &Request| match request.path() {
        "/end" => Ok(Response::new(200, "")),
        _ => site(request),
    };
    assert_eq!(send(request, ends).unwrap().url(), "http://h/end");
}

#[test]
fn an_error_after_a_redirect_names_both_urls() {
    let server = |request: &Request| match request.path() {
        "/end" => Err(HttpError::new(ErrorKind::Refused, "not granted")),
        _ => site(request),
    };
    let error = send(Request::get("http://h/to/302/http://other/end"), server).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert_eq!(error.url(), "http://h/to/302/http://other/end");
    assert_eq!(
        error.to_string(),
        "http://h/to/302/http://other/end: redirected to http://other/end: not granted"
    );
}

#[test]
fn the_time_limit_is_that_of_all_redirects_together() {
    let server = async |request: &Request| {
        sleep(Duration::from_millis(30)).await;
        site(request)
    };
    let url = "http://h/to/302//to/302//to/302//end";
    let request = Request::get(url).timeout(Duration::from_millis(70));
    let error = block_on(with_http(server, request.send())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(error.url(), url);
}

#[test]
fn the_flow_repeats_only_requests_that_do_no_harm() {
    /// Redirects `/see`, takes too long at `/slow` and is busy elsewhere.
    fn server(request: &Request) -> Result<Response, HttpError> {
        match request.path() {
            "/see" => Ok(Response::new(303, "").with_header("location", "/busy")),
            "/slow" => Err(ErrorKind::Timeout.into()),
            _ => Ok(Response::new(503, "busy")),
        }
    }
    let advice = |builder: RequestBuilder| {
        let error = send(builder, server)
            .and_then(Response::error_for_status)
            .unwrap_err();
        assert_eq!(error.retryable(), Retry::Later, "{error}");
        Error::from(error).retryable()
    };
    assert_eq!(advice(Request::get("http://h/slow")), Retry::Later);
    assert_eq!(advice(Request::post("http://h/slow")), Retry::Never);
    assert_eq!(advice(Request::post("http://h/busy")), Retry::Later);
    assert_eq!(advice(Request::get("http://h/see")), Retry::Later);
    // The `POST` has had its effect, whatever came of the `GET` after it.
    assert_eq!(advice(Request::post("http://h/see")), Retry::Never);
}
