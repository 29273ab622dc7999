//! Lists: of tags, and of the manifests that refer to another one.

use http::HeaderMap;
use http::header::{CONTENT_TYPE, LINK};
use serde::Deserialize;
use url::Url;
use wasm_flow_contract::hub::Digest;

use super::error::{Problem, RegistryError};
use super::redirect::{Misled, authority, is_same_origin};
use super::remote::{Remote, Version};
use super::request::Ask;
use crate::artifact::{Descriptor, Index, media_type};
use crate::bounds::{MAX_LIST, MAX_LISTED, MAX_MANIFEST, MAX_PAGES, MAX_TAG_PAGE};

/// A registry with the API of referrers answers a manifest that has a subject with it.
const SUBJECT: &str = "oci-subject";

impl Remote {
    /// All tags of the repository, as the registry orders them.
    ///
    /// # Errors
    /// When there is no such repository, when there are too many, or when the registry
    /// cannot be asked.
    pub async fn tags(&self) -> Result<Vec<String>, RegistryError> {
        let tags = self.fetch_tags().await;
        tags.map_err(|problem| self.error(problem))
    }

    async fn fetch_tags(&self) -> Result<Vec<String>, Problem> {
        #[derive(Deserialize)]
        struct Page {
            #[serde(default)]
            tags: Option<Vec<String>>,
        }
        let what = "a list of tags";
        let mut tags = Vec::new();
        let mut next = Some(self.url("tags/list?n=1000")?);
        let mut pages = Pages::default();
        while let Some(url) = next {
            let (bytes, headers) = self
                .read(|| Ask::get(url.clone(), None), what, MAX_TAG_PAGE)
                .await?;
            let page: Page = serde_json::from_slice(&bytes).map_err(|error| {
                let why = error.to_string();
                Problem::Malformed { what, why }
            })?;
            tags.extend(page.tags.into_iter().flatten());
            pages.add(what, &bytes)?;
            check_list("tags", tags.len())?;
            next = next_page(&url, &headers)?;
        }
        Ok(tags)
    }

    /// The manifests whose subject is this digest: by the registry's API of referrers, or
    /// by the tag `sha256-…` that stands in for it.
    ///
    /// # Errors
    /// When the answer cannot be used, or the registry cannot be asked.
    pub async fn referrers(&self, digest: Digest) -> Result<Vec<Descriptor>, RegistryError> {
        let referrers = self.fetch_referrers(digest).await;
        let called = |problem| RegistryError::new(self.called(Version::Digest(digest)), problem);
        match referrers.map_err(called)? {
            Some(found) => Ok(found),
            None => Ok(self.fallback(digest).await?.manifests()),
        }
    }

    /// `None` if the registry does not have the API.
    async fn fetch_referrers(&self, digest: Digest) -> Result<Option<Vec<Descriptor>>, Problem> {
        let what = "a list of referrers";
        let mut found = Vec::new();
        let mut next = Some(self.url(&format!("referrers/{digest}"))?);
        let mut pages = Pages::default();
        while let Some(url) = next {
            let read = self
                .read(
                    || Ask::get(url.clone(), Some(media_type::INDEX)),
                    what,
                    MAX_MANIFEST,
                )
                .await;
            let (bytes, headers) = match read {
                Err(Problem::Missing(_)) if pages.count == 0 => return Ok(None),
                Err(Problem::Answered {
                    status: 400 | 405 | 406 | 501,
                    ..
                }) if pages.count == 0 => return Ok(None),
                other => other?,
            };
            // A registry without the API, or a proxy, may answer any address with something.
            if pages.count == 0 && !may_be_index(&headers) {
                return Ok(None);
            }
            found.extend(read_index(&bytes, what)?.manifests());
            pages.add(what, &bytes)?;
            check_list("referrers", found.len())?;
            next = next_page(&url, &headers)?;
        }
        Ok(Some(found))
    }

    /// The list under the tag that stands in for the API.
    async fn fallback(&self, digest: Digest) -> Result<Index, RegistryError> {
        let tag = fallback_tag(digest);
        match self.manifest(Version::Tag(&tag)).await {
            Ok(manifest) => {
                let read = read_index(&manifest.bytes, "a list of referrers");
                read.map_err(|problem| RegistryError::new(self.called(Version::Tag(&tag)), problem))
            }
            Err(error) if error.is_missing() => Ok(Index::new(&[])),
            Err(error) => Err(error),
        }
    }

    /// Stores a manifest that has a subject, and has it listed among the subject's
    /// referrers. Its blobs are there already.
    ///
    /// Two that do this at the same moment for one subject, with a registry that has no
    /// API of referrers, may lose one of the two: the specification has nothing against
    /// it.
    ///
    /// # Errors
    /// When the registry does not take it, or cannot be asked.
    pub async fn push_referrer(
        &self,
        subject: Digest,
        described: Descriptor,
        bytes: &[u8],
    ) -> Result<(), RegistryError> {
        let version = Version::Digest(described.digest);
        let put = self.put_manifest(version, &described.media_type, bytes);
        let called = |problem| RegistryError::new(self.called(version), problem);
        if put.await.map_err(called)?.contains_key(SUBJECT) {
            return Ok(());
        }
        let mut index = self.fallback(subject).await?;
        let listed = index.manifests();
        if listed.iter().any(|found| found.digest == described.digest) {
            return Ok(());
        }
        index.push(&described);
        let (bytes, written) = index.write();
        // Nobody could read it any more.
        if written.size > MAX_MANIFEST {
            let (what, most) = ("the list of referrers, with this one,", MAX_MANIFEST);
            return Err(called(Problem::TooLarge { what, most }));
        }
        let tag = fallback_tag(subject);
        self.push_manifest(Version::Tag(&tag), media_type::INDEX, &bytes)
            .await
    }
}

fn fallback_tag(digest: Digest) -> String {
    format!("sha256-{}", digest.hex())
}

fn read_index(bytes: &[u8], what: &'static str) -> Result<Index, Problem> {
    Index::read(bytes).map_err(|error| {
        let why = error.to_string();
        Problem::Malformed { what, why }
    })
}

/// Whether an answer says that it is an index, or does not say what it is.
fn may_be_index(headers: &HeaderMap) -> bool {
    let Some(kind) = headers.get(CONTENT_TYPE) else {
        return true;
    };
    let kind = kind.to_str().unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case(media_type::INDEX)
}

/// The pages of a list that were read.
#[derive(Default)]
struct Pages {
    count: usize,
    bytes: u64,
}

impl Pages {
    /// A list has an end, and so has what is read of it.
    fn add(&mut self, what: &'static str, page: &[u8]) -> Result<(), Problem> {
        self.count += 1;
        self.bytes = self.bytes.saturating_add(page.len() as u64);
        if self.bytes > MAX_LIST {
            let most = MAX_LIST;
            return Err(Problem::TooLarge { what, most });
        }
        let (what, most) = ("pages of one list", MAX_PAGES);
        match self.count > most {
            true => Err(Problem::TooMany { what, most }),
            false => Ok(()),
        }
    }
}

fn check_list(what: &'static str, length: usize) -> Result<(), Problem> {
    let most = MAX_LISTED;
    match length > most {
        true => Err(Problem::TooMany { what, most }),
        false => Ok(()),
    }
}

/// The address of the next page of a list: `<…>; rel="next"`. It is of the same registry.
fn next_page(url: &Url, headers: &HeaderMap) -> Result<Option<Url>, Problem> {
    let links = headers.get_all(LINK).iter();
    let links = links.filter_map(|links| links.to_str().ok());
    // A header may have several, and there may be several headers. No address has a `<`.
    let mut links = links.flat_map(|links| links.split('<').skip(1));
    let target = links.find_map(|link| {
        let (target, rest) = link.split_once('>')?;
        let is_next = rest.replace('"', "").contains("rel=next");
        is_next.then_some(target)
    });
    let Some(target) = target else {
        return Ok(None);
    };
    let next = url.join(target).map_err(|_| Misled::Unreadable)?;
    match is_same_origin(url, &next) {
        true => Ok(Some(next)),
        false => Err(Problem::Malformed {
            what: "a list",
            why: format!("its next page is on another host, {}", authority(&next)),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_go_on_at_the_same_registry() {
        let url: Url = "https://a.b/v2/c/tags/list".parse().unwrap();
        let next = |link: &str| {
            let headers = HeaderMap::from_iter([(LINK, link.parse().unwrap())]);
            next_page(&url, &headers)
        };
        let page = next("</v2/c/tags/list?last=x&n=2>; rel=\"next\"").unwrap();
        assert_eq!(
            page.unwrap().as_str(),
            "https://a.b/v2/c/tags/list?last=x&n=2"
        );
        let headers = HeaderMap::from_iter([(
            LINK,
            "</x>; rel=\"prev\", </y>; rel=\"up\"".parse().unwrap(),
        )]);
        assert_eq!(next_page(&url, &headers).unwrap(), None);
        let mut headers = headers;
        headers.append(LINK, "</z>; rel=\"next\"".parse().unwrap());
        let page = next_page(&url, &headers).unwrap();
        assert_eq!(page.unwrap().path(), "/z");
        let page = next("</x>; rel=\"prev\", </y>; rel=\"next\"").unwrap();
        assert_eq!(page.unwrap().path(), "/y");
        for link in ["", "x", "<a", "</a>; rel=\"prev\"", "</a>"] {
            assert_eq!(next(link).unwrap(), None, "{link}");
        }
        for link in [
            "<https://c.d/>; rel=next",
            "<//c.d/>; rel=next",
            "<http://a.b/>; rel=next",
        ] {
            let error = next(link).unwrap_err().to_string();
            assert!(error.contains("on another host"), "{link}: {error}");
        }
    }
}
