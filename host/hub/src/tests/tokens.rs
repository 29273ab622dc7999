//! Registries that ask who it is.

use super::*;

/// A registry that wants the token `good` of the server at `realm`, in which `HOST` is the
/// registry itself. `tokens` answers under its path `/token`.
async fn asking(
    realm: impl Into<String>,
    tokens: impl Fn(&Seen) -> Answer + Send + Sync + 'static,
) -> Server {
    let content = executor();
    asking_for(realm, move |request| content.answer(request), tokens).await
}

/// The same of a registry with other content.
async fn asking_for(
    realm: impl Into<String>,
    content: impl Fn(&Seen) -> Answer + Send + Sync + 'static,
    tokens: impl Fn(&Seen) -> Answer + Send + Sync + 'static,
) -> Server {
    let realm = realm.into();
    let answer = move |request: &Seen| {
        if request.path.starts_with("/token") {
            return tokens(request);
        }
        match request.authorization.as_deref() {
            Some("Bearer good") => content(request),
            _ => {
                let realm = realm.replace("HOST", &request.host);
                let challenge =
                    format!("Bearer realm=\"{realm}\",service=\"me\",scope=\"registry:all:*\"");
                Answer::Full(401, vec![("www-authenticate", challenge)], vec![])
            }
        }
    };
    Server::start(answer).await
}

async fn resolve(server: &Server, place: &Place) -> Result<(), (Kind, String)> {
    let resolved = place.hub.resolve(&server.reference(":1.0")).await;
    resolved
        .map(drop)
        .map_err(|error| (error.kind(), error.to_string()))
}

#[tokio::test]
async fn a_token_is_asked_for_once_and_for_no_more_than_is_needed() {
    let tokens = |request: &Seen| match request.authorization.as_deref() {
        Some(BASIC) => Answer::ok(r#"{"token":"good"}"#),
        _ => Answer::status(401),
    };
    let server = asking("http://HOST/token?a=b", tokens).await;
    let place = place_of(server.address, ADA);
    resolve(&server, &place).await.unwrap();
    resolve(&server, &place).await.unwrap();
    let token = "GET /token?a=b&service=me&scope=repository%3Ateam%2Fclean%3Apull";
    assert_eq!(server.count(token), 1);
    assert_eq!(server.seen().len(), 4);

    // Without a password, and with a wrong one.
    has(
        resolve(&server, &server::place()).await.unwrap_err(),
        Kind::Unauthorized,
        &[&format!(
            "wants a password: wasm-flow hub login {}",
            server.address
        )],
    );
    // `eve:secret`
    let place = place_of(server.address, r#"{"auth":"ZXZlOnNlY3JldA=="}"#);
    let (kind, text) = resolve(&server, &place).await.unwrap_err();
    assert!(!text.contains("secret"), "{text}");
    has(
        (kind, text),
        Kind::Unauthorized,
        &["does not take the password of eve: wasm-flow"],
    );
}

#[tokio::test]
async fn an_identity_token_is_exchanged() {
    let tokens = |request: &Seen| {
        let body = String::from_utf8_lossy(&request.body).into_owned();
        let is_right = request.method == "POST"
            && request.authorization.is_none()
            && body.contains("grant_type=refresh_token")
            && body.contains("refresh_token=a%26b")
            && body.contains("scope=repository%3Ateam%2Fclean%3Apull");
        match is_right {
            true => Answer::ok(r#"{"access_token":"good"}"#),
            false => Answer::status(401),
        }
    };
    let server = asking("http://HOST/token", tokens).await;
    let place = place_of(server.address, r#"{"identitytoken":"a&b"}"#);
    resolve(&server, &place).await.unwrap();
    let place = place_of(server.address, r#"{"identitytoken":"old"}"#);
    let words = ["does not take the token that is stored for it"];
    has(
        resolve(&server, &place).await.unwrap_err(),
        Kind::Unauthorized,
        &words,
    );
}

#[tokio::test]
async fn a_token_that_has_become_old_is_replaced() {
    let given = std::sync::Arc::new(AtomicUsize::new(0));
    let count = std::sync::Arc::clone(&given);
    let content = executor();
    let server = Server::start(move |request| {
        if request.path.starts_with("/token") {
            let number = count.fetch_add(1, Ordering::Relaxed);
            return Answer::ok(format!(r#"{{"token":"t{number}"}}"#));
        }
        let right = format!("Bearer t{}", count.load(Ordering::Relaxed).wrapping_sub(1));
        if request.authorization.as_deref() == Some(&right) {
            return content.answer(request);
        }
        let challenge = format!("Bearer realm=\"http://{}/token\"", request.host);
        Answer::Full(401, vec![("www-authenticate", challenge)], vec![])
    });
    let server = server.await;
    let place = place();
    resolve(&server, &place).await.unwrap();
    // Somebody else is given one, and all before are old.
    given.fetch_add(1, Ordering::Relaxed);
    let asked = server.seen().len();
    resolve(&server, &place).await.unwrap();
    let seen = &server.seen()[asked..];
    assert_eq!(seen.len(), 3);
    assert_eq!(seen[0].authorization.as_deref(), Some("Bearer t0"));
    assert_eq!(seen[2].authorization.as_deref(), Some("Bearer t2"));
}

#[tokio::test]
async fn a_hostile_realm_gets_nothing() {
    let good = |_: &Seen| Answer::ok(r#"{"token":"good"}"#);
    for (realm, expected) in [
        ("http://169.254.169.254/latest", "169.254.169.254"),
        ("https://169.254.169.254/latest", "which is a link-local"),
        (
            "http://tokens.example.com/",
            "tokens.example.com without TLS",
        ),
        ("file:///etc/passwd", "an address that cannot be read"),
        ("/token", "an address that cannot be read"),
        ("", "an address that cannot be read"),
        // The password is for 127.0.0.1, and anybody could listen at another name.
        (
            "http://localhost:1/token",
            "wants its credentials sent to localhost:1, without TLS",
        ),
    ] {
        let server = asking(realm, good).await;
        let place = place_of(server.address, ADA);
        let (kind, text) = resolve(&server, &place).await.unwrap_err();
        assert_eq!(kind, Kind::Registry, "{text}");
        assert!(text.contains(expected), "{text}");
        assert_eq!(server.seen().len(), 1);
    }
    // Where it leads from there, nothing is sent at all.
    let other = Server::start(|_| Answer::ok(r#"{"token":"good"}"#)).await;
    let target = format!("http://{}/token", other.address);
    let server = asking("http://HOST/token", move |_| {
        Answer::redirect(target.clone())
    })
    .await;
    let place = place_of(server.address, ADA);
    let (_, text) = resolve(&server, &place).await.unwrap_err();
    assert!(text.contains("answered 307"), "{text}");
    assert!(other.seen().is_empty());
}

#[tokio::test]
async fn what_a_token_server_answers_is_bounded_and_not_shown() {
    let text = "hidden".repeat(10_000);
    let endless = move |_: &Seen| Answer::endless(200, &text);
    let mut servers = vec![asking("http://HOST/token", endless).await];
    let mut words = vec!["sends a token of more than 1048576 bytes"];
    for (body, expected) in [
        (r#"{"token":"hidden"#, "line 1 of it"),
        (r#"{"token":["hidden"]}"#, "line 1 of it"),
        (r#"{"other":"hidden"}"#, "there is none in it"),
        (r#"{"token":"hidden\r\nx: y"}"#, "it has control characters"),
    ] {
        servers.push(asking("http://HOST/token", move |_| Answer::ok(body)).await);
        words.push(expected);
    }
    for (server, words) in servers.iter().zip(words) {
        let (kind, text) = resolve(server, &server::place()).await.unwrap_err();
        assert!(!text.contains("hidden"), "{text}");
        has((kind, text), Kind::Registry, &[words]);
    }
    // One of the two that is empty is none.
    let both = r#"{"token":"","access_token":"good"}"#;
    let server = asking("http://HOST/token", move |_| Answer::ok(both)).await;
    resolve(&server, &server::place()).await.unwrap();
    // A token that is not taken is no reason to go on and on.
    let server = asking("http://HOST/token", |_| Answer::ok(r#"{"token":"bad"}"#)).await;
    let place = server::place();
    let words = ["wants a password"];
    has(
        resolve(&server, &place).await.unwrap_err(),
        Kind::Unauthorized,
        &words,
    );
    assert_eq!(server.seen().len(), 3);
}

#[tokio::test]
async fn a_password_is_tried_before_it_is_stored() {
    let server = Server::start(|request| match request.authorization.as_deref() {
        Some(BASIC) => Answer::ok("{}"),
        _ => {
            let challenge = ("www-authenticate", "Basic realm=\"x\"".to_owned());
            Answer::Full(401, vec![challenge], vec![])
        }
    });
    let server = server.await;
    let host = server.address.to_string();
    let place = place_of(([127, 0, 0, 1], 1).into(), "{}");
    let file = place.folder.path().join("config.json");
    let before = std::fs::read_to_string(&file).unwrap();
    let error = place
        .hub
        .login(&host, "ada", Secret::new("wrong"))
        .await
        .unwrap_err();
    let text = error.to_string();
    assert!(text.contains("does not take the password of ada"), "{text}");
    assert!(!text.contains("wrong"), "{text}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), before);
    assert!(
        place
            .hub
            .login(&host, "ada", Secret::new("secret"))
            .await
            .unwrap()
    );
    assert!(std::fs::read_to_string(&file).unwrap().contains(&host));
    assert!(place.hub.logout(&host).await.unwrap());
    assert!(!place.hub.logout(&host).await.unwrap());
    // A host is the same in upper and lower case.
    let host = format!("localhost:{}", server.address.port());
    let upper = host.to_uppercase();
    let login = place.hub.login(&upper, "ada", Secret::new("secret"));
    assert!(login.await.unwrap());
    assert!(std::fs::read_to_string(&file).unwrap().contains(&host));
    assert!(place.hub.logout(&upper).await.unwrap());
    for host in ["", "clean", "https://a.b", "a.b/c", "a.b/", "a.b:1/c"] {
        let error = place
            .hub
            .login(host, "ada", Secret::new("x"))
            .await
            .unwrap_err();
        assert!(error.to_string().contains("is not a registry"), "{error}");
    }
    let nothing = Server::start(|_| Answer::status(404)).await;
    // Of the two it is the server of tokens that has nothing there.
    let no_tokens = asking("http://HOST/token", |_| Answer::status(404)).await;
    // It leads elsewhere, where everybody is let in.
    let elsewhere = Server::start(|_| Answer::ok("<html>")).await;
    let target = format!("http://{}/", elsewhere.address);
    let server = Server::start(move |_| Answer::redirect(target.clone())).await;
    for (host, expected) in [
        (server.address.to_string(), "where a registry lets users in"),
        ("docker.io".to_owned(), "docker.io is a web site"),
        (nothing.address.to_string(), "it has nothing at /v2/"),
        (no_tokens.address.to_string(), "answered 404"),
    ] {
        let login = place.hub.login(&host, "ada", Secret::new("secret"));
        let text = login.await.unwrap_err().to_string();
        assert!(text.contains(expected), "{text}");
        assert!(!std::fs::read_to_string(&file).unwrap().contains(&host));
    }
    // It lets everybody in, so the password was not looked at.
    let server = Server::start(|_| Answer::ok("{}")).await;
    let host = server.address.to_string();
    assert!(
        !place
            .hub
            .login(&host, "ada", Secret::new("any"))
            .await
            .unwrap()
    );
}

#[tokio::test]
async fn a_password_is_tried_where_tokens_are_given() {
    let tokens = |request: &Seen| match request.authorization.as_deref() {
        Some(BASIC) if request.path == "/token?service=me" => Answer::ok(r#"{"token":"good"}"#),
        _ => Answer::status(401),
    };
    let content = |request: &Seen| match request.path.as_str() {
        "/v2/" => Answer::ok("{}"),
        _ => Answer::status(404),
    };
    let server = asking_for("http://HOST/token", content, tokens).await;
    let place = place_of(([127, 0, 0, 1], 1).into(), "{}");
    let host = server.address.to_string();
    let wrong = place
        .hub
        .login(&host, "eve", Secret::new("secret"))
        .await
        .unwrap_err();
    assert!(
        wrong
            .to_string()
            .contains("does not take the password of eve"),
        "{wrong}"
    );
    assert!(
        place
            .hub
            .login(&host, "ada", Secret::new("secret"))
            .await
            .unwrap()
    );
}

#[tokio::test]
async fn who_is_logged_in_and_may_not_is_not_sent_to_log_in_again() {
    let artifact = artifact();
    for status in [401, 403] {
        let tokens = |request: &Seen| match request.authorization.as_deref() {
            Some(BASIC) => Answer::ok(r#"{"token":"good"}"#),
            _ => Answer::status(401),
        };
        let content = move |request: &Seen| match request.method.as_str() {
            "POST" => {
                let challenge = "Bearer realm=\"http://HOST/token\",error=\"insufficient_scope\"";
                let challenge = challenge.replace("HOST", &request.host);
                Answer::Full(status, vec![("www-authenticate", challenge)], vec![])
            }
            _ => Answer::status(404),
        };
        let server = asking_for("http://HOST/token", content, tokens).await;
        let place = place_of(server.address, ADA);
        let reference = server.reference(":1.0");
        let pushed = place.hub.push(&reference, &artifact, None).await;
        let error = pushed.unwrap_err();
        assert_eq!(error.kind(), Kind::Unauthorized);
        let text = error.to_string();
        assert!(text.contains("does not allow that"), "{text}");
        assert!(!text.contains("hub login"), "{text}");
    }
}

#[tokio::test]
async fn who_logs_in_meanwhile_is_no_longer_anonymous() {
    let tokens = |request: &Seen| match request.authorization.as_deref() {
        Some(BASIC) => Answer::ok(r#"{"token":"hers"}"#),
        _ => Answer::ok(r#"{"token":"anybody"}"#),
    };
    let content = executor();
    let server = Server::start(move |request| {
        if request.path.starts_with("/token") {
            return tokens(request);
        }
        match request.authorization.as_deref() {
            Some("Bearer hers") => content.answer(request),
            Some(_) => Answer::status(403),
            None => {
                let challenge = format!("Bearer realm=\"http://{}/token\"", request.host);
                Answer::Full(401, vec![("www-authenticate", challenge)], vec![])
            }
        }
    });
    let server = server.await;
    let place = place_of(([127, 0, 0, 1], 1).into(), "{}");
    let words = ["does not allow that; if it is private: wasm-flow hub login"];
    for _ in 0..2 {
        let refused = resolve(&server, &place).await.unwrap_err();
        has(refused, Kind::Unauthorized, &words);
    }
    // As another process does it.
    let text = format!(r#"{{"auths":{{"{}":{ADA}}}}}"#, server.address);
    std::fs::write(place.folder.path().join("config.json"), text).unwrap();
    resolve(&server, &place).await.unwrap();
}
