use std::fs;

use super::*;

struct Place {
    folder: tempfile::TempDir,
    credentials: Credentials,
}

fn place(content: &str) -> Place {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.json");
    fs::write(&file, content).unwrap();
    let credentials = Credentials::of_file(file);
    Place {
        folder,
        credentials,
    }
}

impl Place {
    fn text(&self) -> String {
        fs::read_to_string(self.folder.path().join("config.json")).unwrap()
    }
}

fn password(user: &str, password: &str) -> Option<Login> {
    Some(Login::Password {
        user: user.to_owned(),
        password: Secret::new(password),
    })
}

#[tokio::test]
async fn what_docker_stores_is_found() {
    // ada:se:cret
    let place = place(
        r#"{"auths": {
            "a.example.com": {"auth": "YWRhOnNlOmNyZXQ="},
            "https://b.example.com/v1/": {"auth": "YWRhOnNlOmNyZXQ"},
            "c.example.com:5000": {"username": "u", "password": "p"},
            "d.example.com": {"auth": "", "identitytoken": "t"},
            "https://e.example.com": {"auth": "YWRhOnNlOmNyZXQ="},
            "e.example.com": {"username": "u", "password": "p"},
            "f.example.com": {},
            "g.example.com/team": {"username": "u", "password": "p"},
            "H.Example.com": {"username": "u", "password": "p"},
            "https://index.docker.io/v1/": {"username": "u", "password": "p"}
        }, "credHelpers": {"a.example.com": ""}}"#,
    );
    let ada = password("ada", "se:cret");
    for (host, expected) in [
        ("a.example.com", ada.clone()),
        ("b.example.com", ada),
        ("c.example.com:5000", password("u", "p")),
        ("c.example.com", None),
        ("d.example.com", Some(Login::Token(Secret::new("t")))),
        ("e.example.com", password("u", "p")),
        ("f.example.com", None),
        ("g.example.com", None),
        ("h.example.com", password("u", "p")),
        ("registry-1.docker.io", password("u", "p")),
        ("example.com", None),
    ] {
        let found = place.credentials.get(host).await.unwrap();
        assert_eq!(found, expected, "{host}");
    }
}

#[tokio::test]
async fn a_password_is_stored_beside_all_else_and_for_nobody_else() {
    let place = place(r#"{"auths": {"http://a.b/v2/": {"auth": "eDp5"}, "c.d": {}}, "x": [1]}"#);
    let secret = Secret::new("pass:wörd");
    place
        .credentials
        .store("a.b", "ada", &secret)
        .await
        .unwrap();
    let found = place.credentials.get("a.b").await.unwrap();
    assert_eq!(found, password("ada", "pass:wörd"));
    let text = place.text();
    assert!(text.contains("\"x\"") && text.contains("c.d"), "{text}");
    assert!(!text.contains("http://a.b"), "{text}");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let found = fs::metadata(place.folder.path().join("config.json")).unwrap();
        assert_eq!(found.permissions().mode() & 0o777, 0o600);
    }
    assert!(place.credentials.erase("a.b").await.unwrap());
    assert!(!place.credentials.erase("a.b").await.unwrap());
    assert_eq!(place.credentials.get("a.b").await.unwrap(), None);
    assert_eq!(fs::read_dir(place.folder.path()).unwrap().count(), 1);
    for user in ["", "a:b", "a\nb"] {
        let stored = place.credentials.store("a.b", user, &secret).await;
        assert!(matches!(stored, Err(CredentialsError::User)));
    }
    let stored = Credentials::none().store("a.b", "ada", &secret).await;
    assert!(matches!(stored, Err(CredentialsError::NoPlace)));
}

#[cfg(unix)]
#[tokio::test]
async fn a_link_to_the_file_stays_one() {
    let place = place("");
    let link = place.folder.path().join("link.json");
    std::os::unix::fs::symlink("config.json", &link).unwrap();
    let credentials = Credentials::of_file(&link);
    credentials
        .store("a.b", "u", &Secret::new("p"))
        .await
        .unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert!(place.text().contains("a.b"));
}

#[tokio::test]
async fn what_is_wrong_in_the_file_is_said_without_its_secrets() {
    for (content, expected) in [
        (
            "{\"auths\":\n {\"a.b\": {\"auth\": \"c2VjcmV0\" oops",
            "line 2 is not JSON",
        ),
        ("[\"c2VjcmV0\"]", "line 1 is not JSON"),
        (
            r#"{"auths": {"a.b": {"auth": "c2VjcmV0"}}}"#,
            "an `auth` is not a name and a password",
        ),
        (
            r#"{"auths": {"a.b": {"auth": "!!"}}}"#,
            "an `auth` is not a name and a password",
        ),
        (r#"{"credsStore": 1}"#, "the name of a helper is not a text"),
        (r#"{"credsStore": "../../bin/sh"}"#, "`../../bin/sh` in "),
        (
            r#"{"credHelpers": {"a.b": "nothing-of-this-name"}}"#,
            "docker-credential-nothing-of-this-name, which ",
        ),
    ] {
        let place = place(content);
        let error = place.credentials.get("a.b").await.unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(text.contains(expected), "{text}");
        assert!(!text.contains("secret") && !text.contains("c2Vj"), "{text}");
    }
    let debug = format!("{:?}", password("ada", "hidden"));
    assert!(
        debug.contains("ada") && !debug.contains("hidden"),
        "{debug}"
    );
    let place = place(r#"{"auths": 1}"#);
    let stored = place.credentials.store("a.b", "u", &Secret::new("p")).await;
    assert!(matches!(stored, Err(CredentialsError::Malformed(..))));
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_keeps_its_owner_and_a_link_leads_to_it() {
    use std::os::unix::fs::{MetadataExt as _, chown, symlink};

    let place = place("{}");
    let file = place.folder.path().join("config.json");
    let secret = Secret::new("secret");
    // Only root can give a file away.
    match chown(&file, Some(12345), Some(12345)) {
        Ok(()) => {
            let stored = place.credentials.store("a.b", "ada", &secret);
            stored.await.unwrap();
            let found = fs::metadata(&file).unwrap();
            assert_eq!((found.uid(), found.gid()), (12345, 12345));
            assert_eq!(found.mode() & 0o777, 0o600);
        }
        Err(_) => println!("not tested: a file of another user, because this one is not root"),
    }
    fs::remove_file(&file).unwrap();
    symlink("elsewhere.json", &file).unwrap();
    let stored = place.credentials.store("a.b", "ada", &secret);
    stored.await.unwrap();
    assert!(fs::symlink_metadata(&file).unwrap().is_symlink());
    let there = fs::read_to_string(place.folder.path().join("elsewhere.json"));
    assert!(there.unwrap().contains("a.b"));
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_that_is_a_pipe_holds_up_nobody_else() {
    let place = place("{}");
    let file = place.folder.path().join("config.json");
    fs::remove_file(&file).unwrap();
    let made = std::process::Command::new("mkfifo").arg(&file).status();
    assert!(made.unwrap().success());
    let reading = place.credentials.get("a.b");
    // The test has one thread, and it still comes to this end.
    let time = std::time::Duration::from_millis(100);
    assert!(tokio::time::timeout(time, reading).await.is_err());
    // So that the thread that reads it ends.
    fs::write(&file, "{}").unwrap();
}
