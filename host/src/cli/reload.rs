//! A flow that is served, put together anew while it runs: on SIGHUP, and with `--watch`
//! when its files change. On SIGHUP, the files of its door are read again, too.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value, json};
use wasm_flow_contract::Service as _;
use wasm_flow_contract::hub::Digest;
use wasm_flow_gateway::Doorkeeper;
use wasm_flow_manifest::{Manifest, ManifestError};

use super::console::Console;
use super::shutdown::{Hangups, Stop};
use super::watch::Watch;
use super::{Error, Result, door, hub};
use crate::resolve::{Resolver, Running, SwapError, Swapped, SwappedExecutor};

/// Puts a flow together anew.
pub(super) struct Reload {
    pub(super) file: PathBuf,
    pub(super) running: Arc<Running>,
    pub(super) resolver: Resolver,
    pub(super) console: Console,
    /// As the file was when the flow was started.
    pub(super) manifest: Manifest,
    pub(super) doorkeeper: Doorkeeper,
    /// None without `--watch`.
    pub(super) watch: Option<Watch>,
}

impl Reload {
    /// Does so whenever there is a reason. It goes on until it is dropped.
    pub(super) async fn whenever_needed(mut self, mut hangups: Hangups, stop: Stop) {
        loop {
            let changed = async {
                match &mut self.watch {
                    Some(watch) => watch.changed().await,
                    None => std::future::pending().await,
                }
            };
            let reason = tokio::select! {
                () = changed => "its files have changed",
                () = hangups.next(&stop) => {
                    door::read_again(&self.manifest, &self.doorkeeper, &self.console);
                    "SIGHUP"
                }
            };
            self.console.event(
                &format!("loading {} anew ({reason})", self.file.display()),
                || json!({ "event": "loading", "reason": reason }),
            );
            let mut restarted = Vec::new();
            match self.swap(&mut restarted).await {
                Ok(swapped) => self.say(&swapped).await,
                Err(error) => self.complain(&error, &restarted).await,
            }
        }
    }

    /// If it fails, `restarted` gets those that were stopped by then and started again.
    async fn swap(&mut self, restarted: &mut Vec<Arc<str>>) -> Result<Swapped> {
        let manifest = Manifest::load(&self.file)?;
        if let Some(watch) = &mut self.watch {
            // If this fails, the lock may change back to what it was.
            watch.know(None);
        }
        // Also what has come and does not build yet.
        self.follow(&manifest)?;
        let loaded = self.resolver.load(manifest).await?;
        // Now it is known what it was compiled from.
        self.follow(loaded.manifest())?;
        if let Some(warnings) = loaded.warnings() {
            self.console.report(&warnings);
        }
        if loaded.manifest().name != self.running.live().name() {
            self.console.note(
                "warning: the flow's name is not what it was when it was started; that takes \
                 effect when it is started again",
            );
        }
        if loaded.manifest().gateway != self.manifest.gateway {
            self.console.note(
                "warning: [gateway] is not what it was when the flow was started; that takes \
                 effect when it is started again",
            );
        }
        match self.running.swap(&loaded).await {
            Ok(swapped) => {
                hub::keep_lock(&self.file, &loaded, |text| self.console.note(text));
                if let Some(watch) = &mut self.watch {
                    watch.know(loaded.pins().map(|pins| &pins.now));
                }
                Ok(swapped)
            }
            Err(SwapError::Failed {
                problems,
                restarted: those,
            }) => {
                *restarted = those;
                Err(problems.into())
            }
            Err(SwapError::Stopped) => Err(Error::Interrupted),
        }
    }

    fn follow(&mut self, manifest: &Manifest) -> Result<()> {
        match &mut self.watch {
            Some(watch) => Ok(watch.follow(manifest)?),
            None => Ok(()),
        }
    }

    async fn say(&self, swapped: &Swapped) {
        let mut lines = Vec::new();
        let now = |executor: &SwappedExecutor| {
            let now = executor.digest.map(|digest| short(&digest));
            match (now, executor.before.map(|digest| short(&digest))) {
                (Some(now), Some(before)) if now == before => {
                    format!(" {now}, as its table says now")
                }
                (Some(now), Some(before)) => format!(" {now}, after {before}"),
                (Some(now), None) => format!(" {now}"),
                (None, _) => String::new(),
            }
        };
        for executor in &swapped.started {
            lines.push(format!("serving `{}`{}", executor.name, now(executor)));
        }
        for executor in &swapped.handed_over {
            lines.push(format!(
                "serving `{}`{}; it keeps something, so it was stopped after its last call and \
                 then started: what it had in memory is gone, its files are as they were",
                executor.name,
                now(executor),
            ));
        }
        for name in &swapped.removed {
            lines.push(format!("`{name}` is no longer in the flow, and stops"));
        }
        if swapped.has_other_shape {
            lines.push("requests go through the flow as the file says now".to_owned());
        }
        if swapped.is_unchanged() {
            lines.push("nothing to change: all executors go on".to_owned());
        }
        let digests = self.running.digests().await;
        self.console.event(&lines.join("\n"), || {
            let of = |executor: &SwappedExecutor| {
                json!({
                    "name": &*executor.name,
                    "digest": executor.digest.as_ref().map(Digest::to_string),
                    "before": executor.before.as_ref().map(Digest::to_string),
                })
            };
            json!({
                "event": "swapped",
                "kept": swapped.kept.iter().map(|name| &**name).collect::<Vec<_>>(),
                "started": swapped.started.iter().map(of).collect::<Vec<_>>(),
                "handed_over": swapped.handed_over.iter().map(of).collect::<Vec<_>>(),
                "has_other_shape": swapped.has_other_shape,
                "removed": swapped.removed.iter().map(|name| &**name).collect::<Vec<_>>(),
                "digests": by_name(&digests),
            })
        });
    }

    async fn complain(&self, error: &Error, restarted: &[Arc<str>]) {
        let text = match error {
            // It is being stopped.
            Error::Interrupted => return,
            Error::Problems(report) | Error::Manifest(ManifestError::Invalid(report)) => {
                self.console.report(report);
                report.to_string()
            }
            error => {
                self.console.note(&format!("error: {error}"));
                error.to_string()
            }
        };
        let digests = self.running.digests().await;
        let mut said = "the flow is served as before".to_owned();
        for (index, (name, digest)) in digests.iter().enumerate() {
            said += if index == 0 { ": " } else { ", " };
            said += &format!("`{name}` {}", short(digest));
        }
        if !restarted.is_empty() {
            said += &format!(
                "\nwarning: started again as they were, so what they had in memory is gone: {}",
                restarted.join(", ")
            );
        }
        self.console.event(&said, || {
            json!({
                "event": "kept",
                "error": text,
                "restarted": restarted.iter().map(|name| &**name).collect::<Vec<_>>(),
                "digests": by_name(&digests),
            })
        });
    }
}

/// The digests of executors, for programs.
fn by_name(digests: &[(Arc<str>, Digest)]) -> Value {
    let entries = digests.iter();
    entries
        .map(|(name, digest)| (name.to_string(), digest.to_string().into()))
        .collect::<serde_json::Map<String, Value>>()
        .into()
}

/// As much of a digest as people compare.
fn short(digest: &Digest) -> String {
    let text = digest.to_string();
    text.get(..SHORT).unwrap_or(&text).to_owned()
}

/// `sha256:` and twelve digits.
const SHORT: usize = 19;
