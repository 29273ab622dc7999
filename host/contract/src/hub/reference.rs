//! Repositories of a registry, and what is in them.

use std::fmt;
use std::str::FromStr;

use super::{Digest, DigestError};

/// What a reference may begin with. In flow.toml it has to, because a path may look like
/// the rest.
pub const SCHEME: &str = "oci://";

/// Bytes that the names of a repository may have, the registry's included.
const MAX_REPOSITORY: usize = 255;
/// Characters that a tag may have.
const MAX_TAG: usize = 128;

/// Where the versions of an artifact are kept: `registry.example.com/team/clean`.
///
/// No registry is meant by itself: `team/clean` is on whichever one its reader thinks of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Repository {
    host: String,
    path: String,
}

/// An artifact: `registry.example.com/team/clean:1.0`, or with its digest behind it,
/// which says what it is. A tag may mean something else tomorrow.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    repository: Repository,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// Why a text is not a reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReferenceError {
    /// The part before the first slash is no registry.
    #[error(
        "`{0}` does not begin with a registry; write its host first, as in \
         registry.example.com/team/name:1.0 or localhost:5000/name:1.0"
    )]
    Registry(String),
    /// A part of the name is not as registries have it.
    #[error(
        "`{0}` cannot be the name of a repository: each part is of a-z and 0-9, with single \
         `.`, `_` or `-` between them"
    )]
    Name(String),
    /// The names are longer than registries take.
    #[error("a repository's name has at most 255 characters, its registry included")]
    TooLong,
    /// Nothing is behind the colon.
    #[error("there is no tag behind the colon; write one, as `:1.0`, or leave out the colon")]
    NoTag,
    /// What is behind the colon is no tag.
    #[error(
        "`{0}` cannot be a tag: at most 128 letters, digits, `.`, `_` and `-`, and the first is \
         a letter, a digit or `_`"
    )]
    Tag(String),
    /// What is behind the `@` is no digest.
    #[error("`{0}` is not a digest: {1}")]
    Digest(String, DigestError),
    /// It does not say which version.
    #[error("`{0}` names no version; write a tag behind it, as `:1.0`, or a digest")]
    NoVersion(Repository),
    /// It says a version, and only a repository was to be named.
    #[error("`{0}` names a version, and not a repository alone; leave out the tag or the digest")]
    Version(String),
    /// It is the address of something else.
    #[error("`{0}` begins with `{1}`; a reference begins with `oci://`, or with its registry")]
    Scheme(String, String),
}

impl Repository {
    /// The registry: a host in lower case, and a port if one is written.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// What the repository is called there.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The last part of that: what a file from there is called. It has only a-z, 0-9, `.`,
    /// `_` and `-`, so it stays in its folder.
    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    fn read(text: &str) -> Result<Repository, ReferenceError> {
        let no_registry = || ReferenceError::Registry(text.to_owned());
        let (host, path) = text.split_once('/').ok_or_else(no_registry)?;
        let host = parse_host(host).map_err(|_| no_registry())?;
        if !path.split('/').all(is_name) {
            return Err(ReferenceError::Name(path.to_owned()));
        }
        if text.len() > MAX_REPOSITORY {
            return Err(ReferenceError::TooLong);
        }
        Ok(Repository {
            host,
            path: path.to_owned(),
        })
    }
}

impl Reference {
    /// A version of a repository by its digest alone.
    pub fn by_digest(repository: Repository, digest: Digest) -> Reference {
        Reference {
            repository,
            tag: None,
            digest: Some(digest),
        }
    }

    /// Where it is kept.
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    /// The tag, if one is written.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest, if one is written. Then it counts, and not the tag.
    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// The same with this digest.
    pub fn at(&self, digest: Digest) -> Reference {
        Reference {
            digest: Some(digest),
            ..self.clone()
        }
    }
}

/// What is behind the scheme, if that is not another one.
fn rest(text: &str) -> Result<&str, ReferenceError> {
    let rest = text.strip_prefix(SCHEME).unwrap_or(text);
    match rest.split_once("://") {
        None => Ok(rest),
        Some((scheme, _)) => Err(ReferenceError::Scheme(
            text.to_owned(),
            format!("{scheme}://"),
        )),
    }
}

/// A repository's name, its tag, and its digest.
fn parts(text: &str) -> Result<(Repository, Option<&str>, Option<Digest>), ReferenceError> {
    let text = rest(text)?;
    let (text, digest) = match text.split_once('@') {
        None => (text, None),
        Some((name, digest)) => {
            let read = digest.parse();
            let wrong = |error| ReferenceError::Digest(digest.to_owned(), error);
            (name, Some(read.map_err(wrong)?))
        }
    };
    // The colon of a port is before a slash.
    let (name, tag) = match text.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') && name.contains('/') => (name, Some(tag)),
        _ => (text, None),
    };
    let repository = Repository::read(name)?;
    match tag {
        Some("") => Err(ReferenceError::NoTag),
        Some(tag) if !is_tag(tag) => Err(ReferenceError::Tag(tag.to_owned())),
        tag => Ok((repository, tag, digest)),
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let (repository, tag, digest) = parts(text)?;
        if tag.is_none() && digest.is_none() {
            return Err(ReferenceError::NoVersion(repository));
        }
        Ok(Reference {
            repository,
            tag: tag.map(str::to_owned),
            digest,
        })
    }
}

impl FromStr for Repository {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        match parts(text)? {
            (repository, None, None) => Ok(repository),
            _ => Err(ReferenceError::Version(text.to_owned())),
        }
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.host, self.path)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        match &self.digest {
            None => Ok(()),
            Some(digest) => write!(f, "@{digest}"),
        }
    }
}

/// The host of a registry, in lower case, with a port if one is written.
///
/// # Errors
/// When it is none. It has a dot or a port, or is `localhost`: so other tools tell it from
/// the first part of a name.
pub fn parse_host(text: &str) -> Result<String, ReferenceError> {
    match is_host(text) {
        true => Ok(text.to_ascii_lowercase()),
        false => Err(ReferenceError::Registry(text.to_owned())),
    }
}

fn is_host(text: &str) -> bool {
    if let Some((address, port)) = text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        let port = port.strip_prefix(':');
        let is_address = address.parse::<std::net::Ipv6Addr>().is_ok();
        return is_address && (text.ends_with(']') || port.is_some_and(is_port));
    }
    let (name, port) = match text.split_once(':') {
        None => (text, None),
        Some((name, port)) => (name, Some(port)),
    };
    let is_label = |label: &str| {
        let is_inside = |c: char| c.is_ascii_alphanumeric() || c == '-';
        !label.is_empty()
            && label.len() <= 63
            && label.chars().all(is_inside)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let is_meant = name.contains('.') || port.is_some() || name.eq_ignore_ascii_case("localhost");
    is_meant && name.split('.').all(is_label) && port.is_none_or(is_port)
}

fn is_port(text: &str) -> bool {
    let is_number = text.bytes().all(|digit| digit.is_ascii_digit());
    is_number && text.parse::<u16>().is_ok_and(|port| port > 0)
}

/// A part of a repository's path: words of a-z and 0-9 with `.`, `_`, `__` or dashes
/// between them.
fn is_name(part: &str) -> bool {
    let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let between = part.split(is_word).filter(|between| !between.is_empty());
    part.starts_with(is_word)
        && part.ends_with(is_word)
        && between
            .into_iter()
            .all(|between| matches!(between, "." | "_" | "__") || between.chars().all(|c| c == '-'))
}

fn is_tag(text: &str) -> bool {
    let is_inside = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    !text.is_empty()
        && text.len() <= MAX_TAG
        && text.chars().all(is_inside)
        && !text.starts_with(['.', '-'])
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn references_are_written_as_they_are_read() {
        for (text, host, path, tag) in [
            ("registry.example.com/a:1", "registry.example.com", "a", "1"),
            ("localhost/a:latest", "localhost", "a", "latest"),
            (
                "localhost:5000/a/b-c/d__e.f:_1.0-x",
                "localhost:5000",
                "a/b-c/d__e.f",
                "_1.0-x",
            ),
            ("hub:5000/a---b:1", "hub:5000", "a---b", "1"),
            ("[::1]:5000/a:1", "[::1]:5000", "a", "1"),
            ("[::1]/a:1", "[::1]", "a", "1"),
            ("127.0.0.1:5000/a:1", "127.0.0.1:5000", "a", "1"),
        ] {
            let read: Reference = text.parse().unwrap();
            let repository = read.repository();
            assert_eq!((repository.host(), repository.path()), (host, path));
            assert!(path.ends_with(repository.name()) && !repository.name().contains('/'));
            assert_eq!(read.tag(), Some(tag));
            assert_eq!(read.digest(), None);
            assert_eq!(read.to_string(), text);
            assert_eq!(format!("{SCHEME}{text}").parse(), Ok(read.clone()));
            let both = format!("{text}@{DIGEST}");
            let pinned: Reference = both.parse().unwrap();
            assert_eq!(pinned, read.at(DIGEST.parse().unwrap()));
            assert_eq!(pinned.to_string(), both);
        }
        let text = format!("localhost:5000/a@{DIGEST}");
        let read: Reference = text.parse().unwrap();
        assert_eq!(read.tag(), None);
        let repository: Repository = "localhost:5000/a".parse().unwrap();
        assert_eq!(
            read,
            Reference::by_digest(repository, DIGEST.parse().unwrap())
        );
    }

    #[test]
    fn what_is_no_reference_is_refused_in_words() {
        let long = format!("localhost/{}:1", "a".repeat(250));
        let long_tag = format!("localhost/a:{}", "a".repeat(129));
        for (text, expected) in [
            ("", "does not begin with a registry"),
            ("clean:1", "does not begin with a registry"),
            ("team/clean:1", "does not begin with a registry"),
            ("a.b:/c:1", "does not begin with a registry"),
            ("a.b:99999/c:1", "does not begin with a registry"),
            ("a.b:+80/c:1", "does not begin with a registry"),
            ("a..b/c:1", "does not begin with a registry"),
            ("[::1/c:1", "does not begin with a registry"),
            ("user:pass@a.b/c:1", "`a.b/c:1` is not a digest"),
            ("a.b/c", "`a.b/c` names no version; write a tag behind it"),
            ("a.b/C:1", "`C` cannot be the name of a repository"),
            ("a.b/c//d:1", "`c//d` cannot be the name of a repository"),
            ("a.b/../d:1", "`../d` cannot be the name of a repository"),
            ("a.b/c_:1", "`c_` cannot be the name of a repository"),
            ("a.b/c:", "there is no tag behind the colon"),
            ("a.b/c:-1", "`-1` cannot be a tag"),
            (
                "a.b/c:1@sha256:0",
                "`sha256:0` is not a digest: a digest is",
            ),
            (
                "https://a.b/c:1",
                "begins with `https://`; a reference begins with `oci://`",
            ),
            (&long, "at most 255 characters"),
            (&long_tag, "cannot be a tag"),
        ] {
            let error = text.parse::<Reference>().unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn a_repository_has_no_version() {
        let read: Repository = "oci://a.b/c".parse().unwrap();
        assert_eq!(read.to_string(), "a.b/c");
        let error = "a.b/c:1".parse::<Repository>().unwrap_err().to_string();
        assert!(error.starts_with("`a.b/c:1` names a version"), "{error}");
    }

    #[test]
    fn hosts_are_the_same_in_upper_and_lower_case() {
        let read: Repository = "Registry.Example.COM:5000/a".parse().unwrap();
        assert_eq!(read.host(), "registry.example.com:5000");
        assert_eq!(parse_host("LOCALHOST"), Ok("localhost".to_owned()));
        assert!(parse_host("team").is_err());
        assert!(parse_host("a.b/c").is_err());
    }
}
