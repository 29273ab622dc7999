//! What a registry asks for: the header `WWW-Authenticate`.

use http::HeaderMap;
use http::header::WWW_AUTHENTICATE;

use crate::bounds::MAX_CHALLENGE;

/// How to authenticate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Challenge {
    /// With the name and the password.
    Basic,
    /// With a token of the server at `realm`.
    Bearer {
        realm: String,
        service: Option<String>,
    },
}

impl Challenge {
    /// The way that is used among those that are offered: a token, which is for one
    /// repository, before the password.
    pub(super) fn of(headers: &HeaderMap) -> Option<Challenge> {
        let values = headers.get_all(WWW_AUTHENTICATE).iter();
        let texts = values.filter_map(|value| value.to_str().ok());
        let mut offered: Vec<Challenge> = texts
            .filter(|text| text.len() <= MAX_CHALLENGE)
            .flat_map(read)
            .collect();
        let bearer = offered
            .iter()
            .position(|challenge| *challenge != Challenge::Basic);
        match offered.is_empty() {
            true => None,
            false => Some(offered.swap_remove(bearer.unwrap_or(0))),
        }
    }
}

/// A scheme, and its parameters in order.
type Offer = (String, Vec<(String, String)>);

fn read(text: &str) -> Vec<Challenge> {
    let known = |(scheme, mut parameters): Offer| {
        let mut take = |name: &str| {
            let at = parameters.iter().position(|(found, _)| found == name)?;
            Some(parameters.swap_remove(at).1)
        };
        match scheme.as_str() {
            "basic" => Some(Challenge::Basic),
            "bearer" => Some(Challenge::Bearer {
                realm: take("realm")?,
                service: take("service"),
            }),
            _ => None,
        }
    };
    offers(text).into_iter().filter_map(known).collect()
}

/// The header has no sign between two offers but the one between two parameters: a word
/// that no `=` follows is a scheme.
fn offers(mut text: &str) -> Vec<Offer> {
    let mut offers: Vec<Offer> = Vec::new();
    loop {
        text = text.trim_start_matches([' ', '\t', ',']);
        let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        let end = text.find(|c| !is_token(c)).unwrap_or(text.len());
        let (word, rest) = text.split_at(end);
        if word.is_empty() {
            return offers;
        }
        let word = word.to_ascii_lowercase();
        let Some(value) = rest.trim_start_matches([' ', '\t']).strip_prefix('=') else {
            offers.push((word, Vec::new()));
            text = rest;
            continue;
        };
        let value = value.trim_start_matches([' ', '\t']);
        let read = match value.strip_prefix('"') {
            Some(quoted) => unquoted(quoted),
            None => {
                let end = value.find([',', ' ', '\t']).unwrap_or(value.len());
                let (value, rest) = value.split_at(end);
                Some((value.to_owned(), rest))
            }
        };
        let (Some((value, rest)), Some((_, parameters))) = (read, offers.last_mut()) else {
            return offers;
        };
        parameters.push((word, value));
        text = rest;
    }
}

/// What is up to the closing quote, and what is behind it.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, text.get(at + 1..)?)),
            '\\' => value.push(characters.next()?.1),
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[&str]) -> Option<Challenge> {
        let headers = values
            .iter()
            .map(|value| (WWW_AUTHENTICATE, value.parse().unwrap()));
        Challenge::of(&headers.collect())
    }

    fn bearer(realm: &str, service: Option<&str>) -> Option<Challenge> {
        Some(Challenge::Bearer {
            realm: realm.to_owned(),
            service: service.map(str::to_owned),
        })
    }

    #[test]
    fn challenges_are_read() {
        let usual = r#"Bearer realm="https://a.b/token",service="a.b",scope="repository:c:pull""#;
        let expected = bearer("https://a.b/token", Some("a.b"));
        assert_eq!(of(&[usual]), expected);
        assert_eq!(of(&["Basic realm=\"x\"", usual]), expected);
        assert_eq!(of(&[&format!("Basic realm=\"x\", {usual}")]), expected);
        assert_eq!(of(&[&format!("{usual}, Basic realm=\"x\"")]), expected);
        assert_eq!(
            of(&["bearer REALM = x , service=y"]),
            bearer("x", Some("y"))
        );
        assert_eq!(of(&[r#"Bearer realm="a\"b,c""#]), bearer("a\"b,c", None));
        assert_eq!(of(&["basic"]), Some(Challenge::Basic));
        assert_eq!(of(&["BASIC realm=\"a\""]), Some(Challenge::Basic));
    }

    #[test]
    fn what_is_no_challenge_is_none() {
        let long = format!("Bearer realm=\"{}\"", "a".repeat(MAX_CHALLENGE));
        for values in [
            &[][..],
            &[""],
            &[","],
            &["Negotiate abc=="],
            &["Bearer"],
            &["Bearer service=\"a\""],
            &["Bearer realm=\"a"],
            &["Bearer realm=\"a\\"],
            &["realm=\"a\""],
            &["Bearer realm"],
            &["\"Basic\""],
            &[&long],
        ] {
            assert_eq!(of(values), None, "{values:?}");
        }
    }
}
