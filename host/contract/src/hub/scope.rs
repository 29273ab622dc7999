//! Parts of the world of registries, of which rules are written.

use std::fmt;
use std::str::FromStr;

use super::{ReferenceError, Repository, SCHEME, parse_host};

/// A registry (`registry.example.com`), or the repositories of one that are at or below a
/// path (`registry.example.com/team`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    host: String,
    /// Empty if it is the whole registry.
    path: String,
}

impl FromStr for Scope {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Scope, ReferenceError> {
        let text = text.strip_prefix(SCHEME).unwrap_or(text);
        let text = text.strip_suffix('/').unwrap_or(text);
        if !text.contains('/') {
            return Ok(Scope {
                host: parse_host(text)?,
                path: String::new(),
            });
        }
        let repository: Repository = text.parse()?;
        Ok(Scope {
            host: repository.host().to_owned(),
            path: repository.path().to_owned(),
        })
    }
}

impl Scope {
    /// Whether the repository is in it. Its path ends where a part of the repository's ends:
    /// `team` has `team/clean`, and not `team2`.
    pub fn has(&self, repository: &Repository) -> bool {
        let below = repository.path().strip_prefix(&self.path);
        self.host == repository.host()
            && (self.path.is_empty()
                || below.is_some_and(|below| below.is_empty() || below.starts_with('/')))
    }

    /// How much it says. Of those that have the same repository, no two different ones say
    /// as much.
    pub fn depth(&self) -> usize {
        self.path.len()
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.host)?;
        match self.path.is_empty() {
            true => Ok(()),
            false => write!(f, "/{}", self.path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has(prefix: &str, repository: &str) -> bool {
        let scope: Scope = prefix.parse().unwrap();
        scope.has(&repository.parse().unwrap())
    }

    #[test]
    fn a_scope_ends_where_a_part_ends() {
        for prefix in [
            "registry.example.com",
            "registry.example.com/",
            "REGISTRY.example.com",
            "registry.example.com/team",
            "registry.example.com/team/",
            "registry.example.com/team/clean",
        ] {
            assert!(has(prefix, "registry.example.com/team/clean"), "{prefix}");
            assert!(has(prefix, "Registry.Example.com/team/clean"), "{prefix}");
        }
        for (prefix, repository) in [
            ("registry.example.com/team", "registry.example.com/team2"),
            ("registry.example.com/team", "registry.example.com/team-2/x"),
            (
                "registry.example.com/team/clean",
                "registry.example.com/team",
            ),
            (
                "registry.example.com/team/clean",
                "registry.example.com/team/clean2",
            ),
            (
                "registry.example.com/clean",
                "registry.example.com/team/clean",
            ),
            (
                "registry.example.com",
                "registry.example.com.evil.example/a",
            ),
            ("registry.example.com", "registry.example.com:5000/a"),
            ("localhost:5000", "localhost:50001/a"),
            ("example.com", "registry.example.com/a"),
        ] {
            assert!(!has(prefix, repository), "{prefix}: {repository}");
        }
    }

    #[test]
    fn what_is_not_a_scope_is_refused() {
        for text in [
            "",
            "/",
            "*",
            "team",
            "registry.example.com/*",
            "registry.example.com//",
            "registry.example.com//team",
            "registry.example.com/Team",
            "registry.example.com/team:1.0",
            "https://registry.example.com",
        ] {
            assert!(text.parse::<Scope>().is_err(), "{text}");
        }
    }
}
