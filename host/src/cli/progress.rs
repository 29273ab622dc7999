//! The progress bar: a step for each request, as Jina's client has it.

use std::cell::Cell;
use std::io::{self, IsTerminal as _};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::terminal::{self, OutputError, Page};
use crate::resolve::build::Event;

pub(super) struct Progress {
    bar: ProgressBar,
    extent: Extent,
    steps: Cell<usize>,
    begun: Instant,
}

/// How much there is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// So many requests.
    Requests(usize),
    /// As many requests as there are in a file of this size.
    Bytes(u64),
    /// As many as come out of a pipe.
    Unknown,
}

impl Progress {
    /// A bar on standard error, if that is a terminal.
    pub(super) fn new(extent: Extent) -> Self {
        let (bar, template) = match extent {
            Extent::Requests(steps) => (
                ProgressBar::new(steps as u64),
                "{spinner} {bar:40} {elapsed} {percent:>3}% ETA {eta} {pos} of {len} steps",
            ),
            Extent::Bytes(bytes) => (
                ProgressBar::new(bytes),
                "{spinner} {bar:40} {elapsed} {percent:>3}% ETA {eta} {bytes} of {total_bytes}",
            ),
            Extent::Unknown => (
                ProgressBar::no_length(),
                "{spinner} {elapsed} {pos} steps done, {per_sec}",
            ),
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("━╸━"));
        }
        bar.enable_steady_tick(Duration::from_millis(100));
        Progress {
            bar,
            extent,
            steps: Cell::new(0),
            begun: Instant::now(),
        }
    }

    /// A request is answered, and with it the input up to this byte.
    pub(super) fn step(&self, position: u64) {
        self.steps.set(self.steps.get() + 1);
        match self.extent {
            Extent::Bytes(_) => self.bar.set_position(position.max(self.bar.position())),
            Extent::Requests(_) | Extent::Unknown => self.bar.inc(1),
        }
    }

    /// Prints a page without tearing the bar, on a thread that may block: the
    /// caller stays free to do something else.
    pub(super) async fn print(&self, page: Page) -> Result<(), OutputError> {
        let bar = self.bar.clone();
        let printing = tokio::task::spawn_blocking(move || {
            match bar.is_hidden() {
                true => page.print_notes(),
                false => bar.suspend(|| page.print_notes()),
            }
            // The bar is locked while it is suspended. A pipe may take its time,
            // and a signal takes the bar away meanwhile.
            match io::stdout().is_terminal() {
                true => bar.suspend(|| page.print_results()),
                false => page.print_results(),
            }
        });
        // It is not aborted, and does not panic.
        printing.await.unwrap_or(Ok(()))
    }

    /// Takes the bar away.
    pub(super) fn gone(self) {
        self.bar.finish_and_clear();
    }

    /// Takes the bar away and says how much was done, and in what time.
    pub(super) fn done(self) {
        let steps = self.steps.get();
        self.bar.finish_and_clear();
        let plural = if steps == 1 { "step" } else { "steps" };
        terminal::note(&format!(
            "DONE {steps} {plural} done in {:.2} seconds",
            self.begun.elapsed().as_secs_f64()
        ));
    }
}

/// Says what a build waits for. What it has made is the result of a command, or of no
/// interest.
pub(super) fn note(event: Event<'_>) {
    if !matches!(event, Event::Built { .. }) {
        terminal::note(&event.to_string());
    }
}
