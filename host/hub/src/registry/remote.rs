//! One repository of a registry, over the network.

use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, LINK, LOCATION, RETRY_AFTER,
};
use http::{HeaderMap, Method, StatusCode};
use reqwest::{RequestBuilder, Response};
use serde::Deserialize;
use tokio::time::{sleep, timeout};
use url::Url;
use wasm_flow_contract::hub::{Digest, Repository};

use super::auth::{Action, Scope, authorize, header};
use super::body::{BlobBody, complaint, reason, shown, silent, whole};
use super::challenge::Challenge;
use super::client::Client;
use super::error::{Problem, RegistryError};
use super::redirect::{Misled, authority, is_same_origin, may_lead};
use super::upload::{Payload, Progress};
use crate::artifact::{Descriptor, Index, media_type};
use crate::bounds::{
    ATTEMPTS, LONGEST_PAUSE, MAX_LISTED, MAX_MANIFEST, MAX_PAGES, MAX_REDIRECTS, MAX_TAG_PAGE,
    PAUSE, SILENCE, UPLOADED,
};
use crate::credentials::{Login, Secret};
use crate::digest_of;

/// What a manifest may be. What is not an executor is asked for, too: else the registry
/// would say that there is nothing.
const MANIFESTS: &str = "application/vnd.oci.image.manifest.v1+json, \
     application/vnd.oci.image.index.v1+json, \
     application/vnd.docker.distribution.manifest.v2+json, \
     application/vnd.docker.distribution.manifest.list.v2+json";

const CONTENT_DIGEST: &str = "docker-content-digest";
/// A registry with the API of referrers answers a manifest that has a subject with it.
const SUBJECT: &str = "oci-subject";

/// Which manifest of a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version<'a> {
    /// What the tag means now.
    Tag(&'a str),
    /// The one with this digest.
    Digest(Digest),
}

/// A manifest, as a registry has it. Its bytes have its digest.
#[derive(Debug, Clone)]
pub struct FetchedManifest {
    /// Its digest, made of its bytes.
    pub digest: Digest,
    /// What the registry calls it.
    pub media_type: Option<String>,
    /// Its bytes.
    pub bytes: Bytes,
}

/// One repository of a registry, over the network.
#[derive(Debug, Clone)]
pub struct Remote {
    client: Client,
    repository: Repository,
}

/// A request.
pub(super) struct Ask<'a> {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) accept: Option<&'static str>,
    pub(super) content: Option<(&'a str, &'a Payload)>,
    pub(super) action: Action,
}

impl Ask<'_> {
    pub(super) fn get(url: Url, accept: Option<&'static str>) -> Ask<'static> {
        Ask {
            method: Method::GET,
            url,
            accept,
            content: None,
            action: Action::Pull,
        }
    }
}

impl Remote {
    pub(super) fn new(client: Client, repository: Repository) -> Remote {
        Remote { client, repository }
    }

    /// The repository.
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    /// What messages call a manifest.
    fn called(&self, version: Version<'_>) -> String {
        match version {
            Version::Tag(tag) => format!("{}:{tag}", self.repository),
            Version::Digest(digest) => format!("{}@{digest}", self.repository),
        }
    }

    pub(super) fn error(&self, problem: Problem) -> RegistryError {
        RegistryError::new(self.repository.to_string(), problem)
    }

    /// An address of this repository.
    pub(super) fn url(&self, rest: &str) -> Result<Url, Problem> {
        let base = self.client.base(&self.repository);
        let url = base.and_then(|base| {
            let path = self.repository.path();
            base.join(&format!("{path}/{rest}")).ok()
        });
        url.ok_or_else(|| Misled::Unreadable.into())
    }

    fn manifest_url(&self, version: Version<'_>) -> Result<Url, Problem> {
        match version {
            Version::Tag(tag) => self.url(&format!("manifests/{tag}")),
            Version::Digest(digest) => self.url(&format!("manifests/{digest}")),
        }
    }

    /// A manifest, whatever it is of.
    ///
    /// # Errors
    /// When the registry does not have it, when its bytes are others than a digest says,
    /// or when it cannot be asked.
    pub async fn manifest(&self, version: Version<'_>) -> Result<FetchedManifest, RegistryError> {
        let fetched = self.fetch_manifest(version).await;
        fetched.map_err(|problem| RegistryError::new(self.called(version), problem))
    }

    async fn fetch_manifest(&self, version: Version<'_>) -> Result<FetchedManifest, Problem> {
        let url = self.manifest_url(version)?;
        let what = "a manifest";
        let (bytes, headers) = self
            .read(
                || Ask::get(url.clone(), Some(MANIFESTS)),
                what,
                MAX_MANIFEST,
            )
            .await?;
        let digest = digest_of(&bytes);
        match version {
            Version::Digest(named) if named != digest => {
                return Err(Problem::Altered { found: digest });
            }
            _ => {}
        }
        match said_digest(&headers) {
            Some(said) if said != digest => {
                return Err(Problem::Contradiction {
                    said,
                    found: digest,
                });
            }
            _ => {}
        }
        let media_type = headers.get(CONTENT_TYPE).and_then(|kind| {
            let kind = kind.to_str().ok()?;
            Some(kind.split(';').next()?.trim().to_owned())
        });
        Ok(FetchedManifest {
            digest,
            media_type,
            bytes,
        })
    }

    /// The digest of what a tag means now.
    ///
    /// # Errors
    /// As [`manifest`](Self::manifest).
    pub async fn resolve(&self, tag: &str) -> Result<Digest, RegistryError> {
        let version = Version::Tag(tag);
        let head = async {
            let ask = Ask {
                method: Method::HEAD,
                ..Ask::get(self.manifest_url(version)?, Some(MANIFESTS))
            };
            self.ask(&ask).await
        };
        match head.await {
            Ok(response) => {
                if let Some(digest) = said_digest(response.headers()) {
                    return Ok(digest);
                }
            }
            // Not all registries answer it, and an answer without a body cannot say why not.
            Err(Problem::Missing(_) | Problem::Forbidden { .. } | Problem::Answered { .. }) => {}
            Err(problem) => return Err(RegistryError::new(self.called(version), problem)),
        }
        Ok(self.manifest(version).await?.digest)
    }

    /// The bytes of a blob, as they come.
    ///
    /// # Errors
    /// When the registry does not have it, says another size, or cannot be asked.
    pub async fn blob(&self, digest: Digest, size: u64) -> Result<BlobBody, RegistryError> {
        let subject = format!("{}, blob {digest}", self.repository);
        let asked = async {
            let url = self.url(&format!("blobs/{digest}"))?;
            self.ask(&Ask::get(url, None)).await
        };
        match asked.await {
            Ok(response) => BlobBody::new(subject, response, digest, size),
            Err(problem) => Err(RegistryError::new(subject, problem)),
        }
    }

    /// A small blob, whole.
    ///
    /// # Errors
    /// As [`blob`](Self::blob), and when it is larger than `most`.
    pub async fn blob_bytes(
        &self,
        described: &Descriptor,
        what: &'static str,
        most: u64,
    ) -> Result<Bytes, RegistryError> {
        if described.size > most {
            let subject = format!("{}, blob {}", self.repository, described.digest);
            return Err(RegistryError::new(
                subject,
                Problem::TooLarge { what, most },
            ));
        }
        let mut attempt = 0;
        loop {
            let mut blob = self.blob(described.digest, described.size).await?;
            let read = async {
                let mut bytes = bytes::BytesMut::new();
                while let Some(part) = blob.next().await? {
                    bytes.extend_from_slice(&part);
                }
                Ok::<_, RegistryError>(bytes.freeze())
            };
            match read.await {
                Err(error) if error.may_pass() && pause(&mut attempt, None).await => {}
                other => return other,
            }
        }
    }

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
        let mut pages = 0;
        while let Some(url) = next {
            let (bytes, headers) = self
                .read(|| Ask::get(url.clone(), None), what, MAX_TAG_PAGE)
                .await?;
            let page: Page = serde_json::from_slice(&bytes).map_err(|error| {
                let why = error.to_string();
                Problem::Malformed { what, why }
            })?;
            tags.extend(page.tags.unwrap_or_default());
            next = next_page(&url, &headers)?;
            pages += 1;
            check_list("tags", tags.len(), pages)?;
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
            None => Ok(self.fallback(digest).await?.manifests),
        }
    }

    /// `None` if the registry does not have the API.
    async fn fetch_referrers(&self, digest: Digest) -> Result<Option<Vec<Descriptor>>, Problem> {
        let what = "a list of referrers";
        let mut found = Vec::new();
        let mut next = Some(self.url(&format!("referrers/{digest}"))?);
        let mut pages = 0;
        while let Some(url) = next {
            let read = self
                .read(
                    || Ask::get(url.clone(), Some(media_type::INDEX)),
                    what,
                    MAX_MANIFEST,
                )
                .await;
            let (bytes, headers) = match read {
                Err(Problem::Missing(_)) if pages == 0 => return Ok(None),
                Err(Problem::Answered {
                    status: 400 | 405 | 501,
                    ..
                }) if pages == 0 => return Ok(None),
                other => other?,
            };
            let index = read_index(&bytes, what)?;
            found.extend(index.manifests);
            next = next_page(&url, &headers)?;
            pages += 1;
            check_list("referrers", found.len(), pages)?;
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
            Err(error) if matches!(error.problem(), Problem::Missing(_)) => {
                Ok(Index::new(Vec::new()))
            }
            Err(error) => Err(error),
        }
    }

    /// Whether the registry has a blob.
    pub(super) async fn has_blob(&self, digest: Digest) -> Result<bool, Problem> {
        let ask = Ask {
            method: Method::HEAD,
            action: Action::Push,
            ..Ask::get(self.url(&format!("blobs/{digest}"))?, None)
        };
        match self.ask(&ask).await {
            Ok(_) => Ok(true),
            Err(Problem::Missing(_)) => Ok(false),
            Err(other) => Err(other),
        }
    }

    /// Stores a manifest under its digest or a tag.
    ///
    /// # Errors
    /// When the registry does not take it, or cannot be asked.
    pub async fn push_manifest(
        &self,
        version: Version<'_>,
        media_type: &str,
        bytes: &[u8],
    ) -> Result<(), RegistryError> {
        let put = self.put_manifest(version, media_type, bytes).await;
        put.map(drop)
            .map_err(|problem| RegistryError::new(self.called(version), problem))
    }

    async fn put_manifest(
        &self,
        version: Version<'_>,
        media_type: &str,
        bytes: &[u8],
    ) -> Result<HeaderMap, Problem> {
        let payload = Payload::Bytes(Bytes::copy_from_slice(bytes));
        let ask = Ask {
            method: Method::PUT,
            url: self.manifest_url(version)?,
            accept: None,
            content: Some((media_type, &payload)),
            action: Action::Push,
        };
        let response = self.ask(&ask).await?;
        match said_digest(response.headers()) {
            Some(said) if said != digest_of(bytes) => Err(Problem::Contradiction {
                said,
                found: digest_of(bytes),
            }),
            _ => Ok(response.headers().clone()),
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
        if index
            .manifests
            .iter()
            .any(|found| found.digest == described.digest)
        {
            return Ok(());
        }
        index.manifests.push(described);
        let (bytes, _) = index.write();
        let tag = fallback_tag(subject);
        self.push_manifest(Version::Tag(&tag), media_type::INDEX, &bytes)
            .await
    }

    /// Asks whether the registry lets the user in. Says whether it has asked who that is.
    ///
    /// # Errors
    /// When it does not, or cannot be asked.
    pub async fn enter(&self, login: Option<&Login>) -> Result<bool, RegistryError> {
        let entered = async {
            let base = self.client.base(&self.repository);
            let base = base.ok_or(Misled::Unreadable)?;
            // Not what was good before.
            self.client.tokens().forget(self.repository.host());
            let ask = Ask {
                action: Action::Enter,
                ..Ask::get(base, None)
            };
            self.ask_as(&ask, Some(login)).await?;
            let scope = self.scope(Action::Enter);
            Ok(self.client.tokens().get(&scope).is_some())
        };
        let entered = entered.await;
        entered.map_err(|problem| RegistryError::new(self.repository.host(), problem))
    }

    /// Asks for something small, and reads it. A connection that breaks is made again.
    async fn read(
        &self,
        ask: impl Fn() -> Ask<'static>,
        what: &'static str,
        most: u64,
    ) -> Result<(Bytes, HeaderMap), Problem> {
        let mut attempt = 0;
        loop {
            let response = self.ask(&ask()).await?;
            let headers = response.headers().clone();
            match whole(response, what, most).await {
                Err(problem) if problem.may_pass() && pause(&mut attempt, None).await => {}
                other => return other.map(|bytes| (bytes, headers)),
            }
        }
    }

    fn scope(&self, action: Action) -> Scope {
        let path = match action {
            Action::Enter => String::new(),
            _ => self.repository.path().to_owned(),
        };
        (self.repository.host().to_owned(), path, action)
    }

    /// Sends a request, with what the registry wants to know of who asks, to where it
    /// leads, and again if that may help.
    pub(super) async fn ask(&self, ask: &Ask<'_>) -> Result<Response, Problem> {
        self.ask_as(ask, None).await
    }

    /// As [`ask`](Self::ask); `login` is what is used instead of the stored credentials.
    async fn ask_as(
        &self,
        ask: &Ask<'_>,
        login: Option<Option<&Login>>,
    ) -> Result<Response, Problem> {
        let mut attempt = 0;
        loop {
            let problem = match self.ask_once(ask, login).await {
                Ok(response) => return Ok(response),
                Err(problem) => problem,
            };
            let after = match &problem {
                Problem::Busy { after, .. } => *after,
                _ => None,
            };
            // An upload cannot go on in the middle, and whoever sends it begins anew.
            let is_upload = ask.method != Method::GET && ask.method != Method::HEAD;
            let may_pass = match is_upload {
                true => matches!(problem, Problem::Busy { .. }),
                false => problem.may_pass(),
            };
            if !may_pass || !pause(&mut attempt, after).await {
                return Err(problem);
            }
        }
    }

    async fn ask_once(
        &self,
        ask: &Ask<'_>,
        login: Option<Option<&Login>>,
    ) -> Result<Response, Problem> {
        let named = self
            .client
            .base(&self.repository)
            .ok_or(Misled::Unreadable)?;
        let scope = self.scope(ask.action);
        let kept = self.client.tokens().get(&scope);
        let response = self.follow(ask, &named, kept.as_ref()).await?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return finished(response, None).await;
        }
        // A storage server that refuses an address has nothing to do with the password.
        if !is_same_origin(response.url(), &named) {
            return finished(response, None).await;
        }
        let stored;
        let login = match login {
            Some(login) => login,
            None => {
                let host = self.repository.host();
                stored = self.client.credentials().get(host).await?;
                stored.as_ref()
            }
        };
        let Some(challenge) = Challenge::of(response.headers()) else {
            return Err(failure(response, login).await);
        };
        let authorization = authorize(&self.client, &named, &scope, challenge, login).await?;
        let response = self.follow(ask, &named, Some(&authorization)).await?;
        finished(response, login).await
    }

    /// Sends a request to its address, and to those that the answers name.
    async fn follow(
        &self,
        ask: &Ask<'_>,
        named: &Url,
        authorization: Option<&Secret>,
    ) -> Result<Response, Problem> {
        let mut url = ask.url.clone();
        for _ in 0..=MAX_REDIRECTS {
            let response = self.send(ask, named, &url, authorization).await?;
            if !response.status().is_redirection() {
                return Ok(response);
            }
            let is_read = ask.method == Method::GET || ask.method == Method::HEAD;
            let location = response.headers().get(LOCATION);
            let (true, Some(location)) = (is_read, location) else {
                return Ok(response);
            };
            let location = location.to_str().map_err(|_| Misled::Unreadable)?;
            let next = url.join(location).map_err(|_| Misled::Unreadable)?;
            may_lead(&url, &next, self.client.plain())?;
            url = next;
        }
        Err(Misled::TooMany.into())
    }

    async fn send(
        &self,
        ask: &Ask<'_>,
        named: &Url,
        url: &Url,
        authorization: Option<&Secret>,
    ) -> Result<Response, Problem> {
        let sender = self.client.sender(named, url);
        let mut request = sender.request(ask.method.clone(), url.clone());
        if let Some(accept) = ask.accept {
            request = request.header(ACCEPT, accept);
        }
        if is_same_origin(named, url)
            && let Some(value) = authorization.and_then(header)
        {
            request = request.header(AUTHORIZATION, value);
        }
        let Some((media_type, payload)) = ask.content else {
            return send(request, url).await;
        };
        let progress = Progress::default();
        let body = payload.body(&progress).await?;
        let request = request
            .header(CONTENT_TYPE, media_type)
            .header(CONTENT_LENGTH, payload.size())
            .body(body);
        send_upload(request, url, payload.size(), &progress).await
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }
}

/// Waits before another attempt; `false` if there have been enough, or if it would be
/// too long.
pub(crate) async fn pause(attempt: &mut u32, after: Option<Duration>) -> bool {
    *attempt += 1;
    let pause = after.unwrap_or(PAUSE * 4u32.saturating_pow(*attempt - 1));
    if *attempt >= ATTEMPTS || pause > LONGEST_PAUSE {
        return false;
    }
    sleep(pause).await;
    true
}

/// Sends a request that has no long body.
pub(super) async fn send(request: RequestBuilder, url: &Url) -> Result<Response, Problem> {
    match timeout(SILENCE, request.send()).await {
        Err(_) => Err(silent(authority(url), "answered nothing", SILENCE)),
        Ok(Err(error)) => Err(unsent(error, url)),
        Ok(Ok(response)) => Ok(response),
    }
}

/// Sends a request with a body that may take long. It may not stand still.
async fn send_upload(
    request: RequestBuilder,
    url: &Url,
    size: u64,
    progress: &Progress,
) -> Result<Response, Problem> {
    let mut sending = std::pin::pin!(request.send());
    let mut before = 0;
    loop {
        let sent = progress.sent();
        let is_sent = sent >= size;
        let (time, did) = match is_sent {
            true => (UPLOADED, "answered nothing to an upload"),
            false => (SILENCE, "taken nothing of an upload"),
        };
        match timeout(time, &mut sending).await {
            Ok(Ok(response)) => return Ok(response),
            Ok(Err(error)) => return Err(unsent(error, url)),
            Err(_) if is_sent || progress.sent() == before => {
                return Err(silent(authority(url), did, time));
            }
            Err(_) => before = progress.sent(),
        }
    }
}

fn unsent(error: reqwest::Error, url: &Url) -> Problem {
    let host = authority(url);
    let is_connect = error.is_connect();
    let reason = reason(error);
    match is_connect {
        true => Problem::Unreachable { host, reason },
        false => Problem::Broken { host, reason },
    }
}

/// The answer, if it is a success.
async fn finished(response: Response, login: Option<&Login>) -> Result<Response, Problem> {
    match response.status().is_success() {
        true => Ok(response),
        false => Err(failure(response, login).await),
    }
}

/// What an answer means that is not a success. `login` is who asked.
pub(super) async fn failure(response: Response, login: Option<&Login>) -> Problem {
    let host = authority(response.url());
    let status = response.status();
    let after = retry_after(response.headers());
    let text = complaint(response).await;
    match (status, login) {
        (StatusCode::UNAUTHORIZED, Some(Login::Password { user, .. })) => Problem::WrongPassword {
            host,
            user: shown(user),
        },
        (StatusCode::UNAUTHORIZED, Some(Login::Token(_))) => Problem::OldToken { host },
        (StatusCode::UNAUTHORIZED, None) => Problem::NoPassword { host },
        (StatusCode::FORBIDDEN, login) => Problem::Forbidden {
            host,
            text,
            anonymous: login.is_none(),
        },
        (StatusCode::NOT_FOUND, _) => Problem::Missing(text),
        (StatusCode::TOO_MANY_REQUESTS, _) => Problem::Busy { host, after, text },
        (status, _) => Problem::Answered {
            host,
            status: status.as_u16(),
            text,
        },
    }
}

/// In seconds; the form with a date is rare, and then the usual pause is made.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse();
    seconds.ok().map(Duration::from_secs)
}

/// Registries may name a manifest by another algorithm, too; then only what is asked for
/// is compared.
fn said_digest(headers: &HeaderMap) -> Option<Digest> {
    headers.get(CONTENT_DIGEST)?.to_str().ok()?.parse().ok()
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

/// A list has an end, and so has the number of its pages.
fn check_list(what: &'static str, length: usize, pages: usize) -> Result<(), Problem> {
    let most = MAX_LISTED;
    if length > most {
        return Err(Problem::TooMany { what, most });
    }
    let (what, most) = ("pages of one list", MAX_PAGES);
    match pages > most {
        true => Err(Problem::TooMany { what, most }),
        false => Ok(()),
    }
}

/// The address of the next page of a list: `<…>; rel="next"`. It is of the same registry.
fn next_page(url: &Url, headers: &HeaderMap) -> Result<Option<Url>, Problem> {
    let link = headers.get(LINK).and_then(|link| link.to_str().ok());
    let Some((target, rest)) = link
        .and_then(|link| link.trim_start().strip_prefix('<'))
        .and_then(|link| link.split_once('>'))
    else {
        return Ok(None);
    };
    if !rest.replace('"', "").contains("rel=next") {
        return Ok(None);
    }
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
