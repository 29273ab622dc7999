//! Problems that show up after the file was read.

use super::cases::compare;
use super::*;

#[test]
fn problems_found_later_have_a_place_too() {
    let manifest = parse(
        r#"[gateway]
port = 80
[[executors]]
name = "ä"
uses = "a.wasm"
workspace = "w"
[executors.allow]
dirs = [{ host = "data", guest = "/data" }, { guest = "/more", host = "more" }]
[[executors]]
name = "b"
uses = "b.wasm"
polling = { "/x" = "ALL" }
uses_before = "c.wasm"
uses_after = { uses_with = {}, uses = "d", allow.dirs = [{ host = "x", guest = "/y" }] }
no_reduce = true
"#,
    );
    let [first, second] = ids(&manifest)[..] else {
        panic!("two executors")
    };
    let of = |head, place| LateProblem::new(place, "late").of_head(head).place;
    for (place, expected) in [
        (Place::Host, (1, 2)),
        (Place::Port, (2, 1)),
        (Place::Executor(first), (4, 8)),
        (Place::Uses(first), (5, 8)),
        (Place::UsesWith(first), (3, 1)),
        (Place::UsesRequests(first), (3, 1)),
        (Place::Workspace(first), (6, 1)),
        (Place::Token(first), (3, 1)),
        (Place::Allow(first), (7, 12)),
        (Place::Dir(first, 0), (8, 18)),
        (Place::Dir(first, 1), (8, 71)),
        (Place::Dir(first, 2), (7, 12)),
        (Place::Executor(second), (10, 8)),
        (Place::Allow(second), (9, 1)),
        (Place::Dir(second, 0), (9, 1)),
        (Place::NoReduce(first), (3, 1)),
        (Place::NoReduce(second), (15, 1)),
        (Place::Polling(first, None), (3, 1)),
        (Place::Polling(second, None), (12, 1)),
        (Place::Polling(second, Some("/x".to_owned())), (12, 13)),
        (Place::Polling(second, Some("/y".to_owned())), (12, 1)),
        (of(Head::Before, Place::Uses(second)), (13, 15)),
        (of(Head::Before, Place::UsesWith(second)), (13, 1)),
        (of(Head::After, Place::UsesWith(second)), (14, 16)),
        (of(Head::After, Place::Uses(second)), (14, 39)),
        (of(Head::After, Place::Allow(second)), (14, 44)),
        (of(Head::After, Place::Dir(second, 0)), (14, 67)),
        (of(Head::After, Place::Uses(first)), (5, 8)),
    ] {
        let report = manifest.report([LateProblem::new(place.clone(), "late")]);
        assert_eq!(
            report.position(&report.problems()[0]),
            expected,
            "{place:?}"
        );
    }

    let late = |place| LateProblem::new(place, "late");
    let report = manifest.report([late(Place::Uses(first)), late(Place::Port)]);
    let lines = report.problems().iter().map(|one| report.position(one).0);
    assert_eq!(
        lines.collect::<Vec<_>>(),
        [2, 5],
        "in the order of the file"
    );
}

#[test]
fn what_is_wrong_with_a_door_has_a_place() {
    let manifest = parse(
        r#"[gateway]
port_health = 81
tls = { cert = "c", key = "k" }
[gateway.auth]
token_file = "t"
[[executors]]
name = "a"
uses = "a.wasm"
"#,
    );
    for (place, expected) in [
        (Place::Port, (1, 2)),
        (Place::HealthPort, (2, 1)),
        (Place::Door(DoorKey::Cert), (3, 9)),
        (Place::Door(DoorKey::Key), (3, 21)),
        (Place::Door(DoorKey::ClientCa), (3, 1)),
        (Place::Door(DoorKey::Tokens), (5, 1)),
    ] {
        let report = manifest.report([LateProblem::new(place.clone(), "late")]);
        let position = report.position(&report.problems()[0]);
        assert_eq!(position, expected, "{place:?}");
    }
}

#[test]
fn what_a_look_at_the_disk_finds() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cases/late/disk.toml");
    let text = fs::read_to_string(&path).unwrap();
    let manifest = Manifest::parse(&text, "flow.toml").unwrap();
    let [a, b, c, d] = ids(&manifest)[..] else {
        panic!("four executors")
    };
    let denied = io::Error::from(io::ErrorKind::PermissionDenied);
    let report = manifest.report([
        LateProblem::uses_is_missing(a, Path::new("aa.wasm"), Some("a.wasm")),
        LateProblem::uses_is_missing(b, Path::new("bb.wasm"), None),
        LateProblem::uses_is_not_a_crate(c, "data"),
        LateProblem::uses_is_unreadable(d, Path::new("secret/d"), &denied),
        LateProblem::dir_is_missing(d, 0, Path::new("nowhere")),
        LateProblem::dir_is_not_a_folder(d, 1, Path::new("b.txt")),
        LateProblem::dir_is_unreadable(d, 2, Path::new("secret/d"), &denied),
    ]);
    compare(&path, &report);
}
