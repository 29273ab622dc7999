use wasm_flow_contract::hub::Reference;

use super::super::{Policy, Refusal, Rules, TrustRule};
use super::*;
use crate::bounds::MAX_SIGNATURES;

const CLEAN: &str = "registry.example.com/team/clean:1.0";

fn reference(text: &str) -> Reference {
    text.parse().unwrap()
}

fn signed(of: &str, keys: &[&NamedKey]) -> TrustRule {
    TrustRule {
        of: of.parse().unwrap(),
        keys: Some(keys.iter().copied().cloned().collect()),
    }
}

fn unsigned(of: &str) -> TrustRule {
    TrustRule {
        of: of.parse().unwrap(),
        keys: None,
    }
}

fn rules(file: &str, trust: impl Into<Vec<TrustRule>>) -> Rules {
    Rules {
        file: file.to_owned(),
        registries: Vec::new(),
        trust: trust.into(),
    }
}

fn policy(trust: impl Into<Vec<TrustRule>>) -> Policy {
    Policy::new([rules("flow.toml", trust)])
}

/// Who has signed what the reference means, if it may be used.
fn decide(
    policy: &Policy,
    text: &str,
    signatures: &[RawSignature],
) -> Result<Vec<String>, Refusal> {
    let accepted = policy.decide(&reference(text), manifests()[0], signatures);
    accepted.map(|accepted| accepted.signers)
}

#[test]
fn without_a_rule_nothing_is_used() {
    let author = author("a.pub");
    let one = manifests()[0];
    let empty = Policy::new([rules("flow.toml", []), rules("~/hub.toml", [])]);
    let refusal = decide(&empty, CLEAN, &[author.signs(one)]).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        format!(
            "registry.example.com/team/clean:1.0@{one} is not used: none of flow.toml or \
             ~/hub.toml says whose signature it needs. If you trust its author, write into \
             flow.toml where the author's public key is:\n\
             \n\
             [[hub.trust]]\n\
             of = \"registry.example.com/team/clean\"\n\
             keys = [\"author.pub\"]\n\
             \n\
             or, if it may run without a signature:\n\
             \n\
             [[hub.trust]]\n\
             of = \"registry.example.com/team/clean\"\n\
             unsigned = true"
        )
    );
    let other = policy([unsigned("registry.example.com/team2")]);
    let refusal = decide(&other, CLEAN, &[]).unwrap_err();
    assert!(matches!(refusal, Refusal::NoRule { .. }), "{refusal}");
    assert!(
        refusal.to_string().contains("flow.toml does not say"),
        "{refusal}"
    );
    let none = Policy::new([]);
    let refusal = decide(&none, CLEAN, &[]).unwrap_err();
    assert!(refusal.to_string().contains("no file says"), "{refusal}");
    assert!(!empty.wants_signatures(reference(CLEAN).repository()));
}

#[test]
fn the_key_of_a_rule_has_to_have_signed() {
    let (author, other, stranger) = (author("a.pub"), author("b.pub"), author("c.pub"));
    let [one, two] = manifests();
    let policy = policy([signed(
        "registry.example.com/team",
        &[&author.key, &other.key],
    )]);
    assert!(policy.wants_signatures(reference(CLEAN).repository()));
    let decide = |signatures: &[RawSignature]| decide(&policy, CLEAN, signatures);
    assert_eq!(decide(&[author.signs(one)]), Ok(vec!["a.pub".to_owned()]));
    assert_eq!(decide(&[other.signs(one)]), Ok(vec!["b.pub".to_owned()]));
    // One that counts is enough, wherever it is.
    let some = [
        stranger.signs(one),
        author.signs(two),
        bundle("{}"),
        other.signs(one),
    ];
    assert_eq!(decide(&some), Ok(vec!["b.pub".to_owned()]));

    let refusal = decide(&[]).unwrap_err();
    assert!(matches!(refusal, Refusal::NoSignature(_)), "{refusal}");
    let text = refusal.to_string();
    assert!(text.contains("it has no signature, and flow.toml wants one by a.pub or b.pub for registry.example.com/team."), "{text}");
    assert!(
        text.ends_with("of = \"registry.example.com/team/clean\"\nunsigned = true"),
        "{text}"
    );

    let refusal = decide(&[author.signs(two)]).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        format!(
            "registry.example.com/team/clean:1.0@{one} is not used: flow.toml wants a signature by \
             a.pub or b.pub for registry.example.com/team, and the one that it has does not count: \
             it signs {two}, and not this one ({one})"
        )
    );
    let refusal = decide(&some[..3]).unwrap_err();
    let text = refusal.to_string();
    assert!(
        text.contains("and none of the 3 that it has counts:\n  - it is by another key"),
        "{text}"
    );
    assert!(!text.contains("unsigned"), "{text}");
}

#[test]
fn only_so_many_signatures_are_looked_at() {
    let author = author("a.pub");
    let one = manifests()[0];
    let policy = policy([signed("registry.example.com", &[&author.key])]);
    let mut signatures = vec![bundle("{}"); MAX_SIGNATURES - 1];
    signatures.push(author.signs(one));
    assert!(decide(&policy, CLEAN, &signatures).is_ok());
    signatures.insert(0, bundle("{}"));
    let text = decide(&policy, CLEAN, &signatures).unwrap_err().to_string();
    assert!(text.contains("none of the 64 that it has counts"), "{text}");
    assert!(
        text.contains("  - and 59 others\n(it has 65 signatures, of which the first 64"),
        "{text}"
    );
}

#[test]
fn the_longest_rule_counts() {
    let (team, lead) = (author("team.pub"), author("lead.pub"));
    let one = manifests()[0];
    let signatures = [team.signs(one)];
    let policy = policy([
        signed("registry.example.com/team/secret", &[&lead.key]),
        unsigned("registry.example.com/team/open"),
        signed("registry.example.com/team", &[&team.key]),
        unsigned("registry.example.com"),
    ]);
    let decide = |text: &str| decide(&policy, text, &signatures);
    assert_eq!(
        decide("registry.example.com/team/clean:1"),
        Ok(vec!["team.pub".to_owned()])
    );
    assert_eq!(decide("registry.example.com/team/open/x:1"), Ok(vec![]));
    assert_eq!(decide("registry.example.com/team2/x:1"), Ok(vec![]));
    for refused in [
        "registry.example.com/team/secret:1",
        "registry.example.com/team/secret/x:1",
        // The host is the same in upper case.
        "REGISTRY.example.com/team/secret:1",
    ] {
        let refusal = decide(refused).unwrap_err();
        assert!(matches!(refusal, Refusal::Signatures { .. }), "{refusal}");
    }
    let other = decide("registry.example.com:5000/team/clean:1").unwrap_err();
    assert!(matches!(other, Refusal::NoRule { .. }), "{other}");
    let wants = |text: &str| policy.wants_signatures(reference(text).repository());
    assert!(wants("registry.example.com/team/secret:1"));
    assert!(!wants("registry.example.com/team/open:1"));
}

#[test]
fn both_files_have_to_accept() {
    let (flow, user) = (author("flow.pub"), author("user.pub"));
    let one = manifests()[0];
    let of = "registry.example.com/team";
    let both = |flow: TrustRule, user: TrustRule| {
        Policy::new([rules("flow.toml", [flow]), rules("hub.toml", [user])])
    };
    let two = both(signed(of, &[&flow.key]), signed(of, &[&user.key]));
    let names = |names: &[&str]| Ok(names.iter().map(|name| (*name).to_owned()).collect());
    assert_eq!(
        decide(&two, CLEAN, &[user.signs(one), flow.signs(one)]),
        names(&["flow.pub", "user.pub"])
    );
    for (signer, file) in [(&flow, "hub.toml wants"), (&user, "flow.toml wants")] {
        let text = decide(&two, CLEAN, &[signer.signs(one)])
            .unwrap_err()
            .to_string();
        assert!(text.contains(file), "{text}");
    }
    // What flow.toml lets run is not run against the user's rule, and the other way round.
    for policy in [
        both(unsigned(of), signed(of, &[&user.key])),
        both(
            signed(of, &[&user.key]),
            unsigned("registry.example.com/team/clean"),
        ),
    ] {
        let refusal = decide(&policy, CLEAN, &[]).unwrap_err();
        assert!(matches!(refusal, Refusal::NoSignature(_)), "{refusal}");
        assert_eq!(
            decide(&policy, CLEAN, &[user.signs(one)]),
            names(&["user.pub"])
        );
        assert!(policy.wants_signatures(reference(CLEAN).repository()));
    }
    // The same key is named once, and a file without a rule does not decide.
    let same = both(signed(of, &[&user.key]), signed(of, &[&user.key]));
    assert_eq!(
        decide(&same, CLEAN, &[user.signs(one)]),
        names(&["user.pub"])
    );
    let one_of_two = both(unsigned(of), signed("other.example.com", &[&user.key]));
    assert_eq!(decide(&one_of_two, CLEAN, &[]), names(&[]));
}

#[test]
fn only_named_registries_are_used() {
    let listed = |file: &str, registries: &[&str]| Rules {
        registries: registries
            .iter()
            .map(|text| text.parse().unwrap())
            .collect(),
        ..rules(
            file,
            [unsigned("registry.example.com"), unsigned("localhost:5000")],
        )
    };
    let policy = Policy::new([
        listed("flow.toml", &[]),
        listed("hub.toml", &["registry.example.com/team", "localhost:5000"]),
    ]);
    for text in [CLEAN, "localhost:5000/a:1"] {
        assert_eq!(decide(&policy, text, &[]), Ok(vec![]));
    }
    let refused = reference("registry.example.com/team2/x:1");
    let expected = "registry.example.com/team2/x may not be used: `registries` in hub.toml has \
                    only registry.example.com/team or localhost:5000; add \
                    \"registry.example.com/team2/x\" there, or a beginning of it";
    let refusal = policy.allows(refused.repository()).unwrap_err();
    assert_eq!(refusal.to_string(), expected);
    let refusal = decide(&policy, &refused.to_string(), &[]).unwrap_err();
    assert_eq!(refusal.to_string(), expected);
}
