//! Where a registry leads to, and what is sent there.

use super::*;

/// Asks for a password, and has a blob elsewhere.
async fn led(to: &str) -> (Server, Place) {
    let content = executor();
    let to = to.to_owned();
    let server = Server::start(move |request| {
        if request.authorization.as_deref() != Some(BASIC) {
            let challenge = ("www-authenticate", "Basic realm=\"x\"".to_owned());
            return Answer::Full(401, vec![challenge], vec![]);
        }
        match request.path.contains("/blobs/") {
            true => Answer::redirect(to.clone()),
            false => content.answer(request),
        }
    });
    let server = server.await;
    let place = place_of(server.address, ADA);
    (server, place)
}

#[tokio::test]
async fn a_password_goes_to_nobody_else() {
    let other = Server::start(|_| Answer::ok(COMPONENT)).await;
    let target = format!("http://{}/there?signed=1", other.address);
    let (server, place) = led(&target).await;
    let pulled = place
        .hub
        .pull(&server.reference(":1.0"), &Anything::default())
        .await;
    assert_eq!(pulled.unwrap().component, COMPONENT);
    assert_eq!(other.lines(), ["GET /there?signed=1"]);
    assert_eq!(other.seen()[0].authorization, None);
    let with = server
        .seen()
        .into_iter()
        .filter(|seen| seen.authorization.is_some());
    assert!(with.count() > 2);

    // A storage server that refuses is not the one that has the password.
    let other = Server::start(|_| {
        let challenge = ("www-authenticate", "Basic realm=\"x\"".to_owned());
        Answer::Full(401, vec![challenge], vec![])
    });
    let other = other.await;
    let target = format!("http://{}/there", other.address);
    let (server, place) = led(&target).await;
    let pulled = place
        .hub
        .pull(&server.reference(":1.0"), &Anything::default())
        .await;
    let text = pulled.map(|pulled| pulled.digest).unwrap_err().to_string();
    assert!(text.contains("answered 401"), "{text}");
    assert!(!text.contains("hub login"), "{text}");
    assert!(other.seen().iter().all(|seen| seen.authorization.is_none()));
}

#[tokio::test]
async fn a_registry_does_not_lead_to_where_it_should_not() {
    for (target, expected) in [
        ("http://169.254.169.254/latest/meta-data", "169.254.169.254"),
        (
            "https://169.254.169.254/latest/meta-data",
            "which is a link-local",
        ),
        ("https://[fe80::1]/", "which is a link-local"),
        ("https://0.0.0.0/", "which is a link-local, unspecified"),
        (
            "http://registry.example.com/a",
            "registry.example.com without TLS",
        ),
        ("ftp://127.0.0.1/", "an address of `ftp:`"),
        ("file:///etc/passwd", "an address that cannot be read"),
        ("http://[", "an address that cannot be read"),
    ] {
        let (server, place) = led(target).await;
        let pulled = place
            .hub
            .pull(&server.reference(":1.0"), &Anything::default())
            .await;
        let text = pulled.map(|pulled| pulled.digest).unwrap_err().to_string();
        assert!(text.contains("the registry leads to"), "{text}");
        assert!(text.contains(expected), "{text}");
        assert!(text.contains("nothing was sent there"), "{text}");
    }
    let content = executor();
    let server = Server::start(move |request| match request.path.contains("/blobs/") {
        true => Answer::redirect(request.path.clone() + "x"),
        false => content.answer(request),
    });
    let server = server.await;
    let place = place();
    let pulled = place
        .hub
        .pull(&server.reference(":1.0"), &Anything::default())
        .await;
    let text = pulled.map(|pulled| pulled.digest).unwrap_err().to_string();
    assert!(
        text.contains("a further address, the sixth in a row"),
        "{text}"
    );
    let blobs = server
        .lines()
        .iter()
        .filter(|line| line.contains("/blobs/"))
        .count();
    assert_eq!(blobs, 6);
}

#[tokio::test]
async fn a_password_does_not_come_back_with_an_address_of_another_host() {
    let back = std::sync::Arc::new(std::sync::Mutex::new(String::new()));
    let target = std::sync::Arc::clone(&back);
    let other = Server::start(move |_| Answer::redirect(target.lock().unwrap().clone())).await;
    let (server, place) = led(&format!("http://{}/there", other.address)).await;
    *back.lock().unwrap() = format!("http://{}/api/secrets", server.address);
    let pulled = place
        .hub
        .pull(&server.reference(":1.0"), &Anything::default())
        .await;
    assert!(pulled.is_err());
    let seen = server.seen().into_iter();
    let mut seen = seen.filter(|seen| seen.path == "/api/secrets");
    assert_eq!(seen.next().unwrap().authorization, None);
}
