//! The progress bar: a step a request, as Jina's client has it.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::terminal;

pub(super) struct Progress {
    bar: ProgressBar,
    begun: Instant,
}

impl Progress {
    /// A bar on standard error, where that is a terminal.
    pub(super) fn new(steps: usize) -> Self {
        let bar = ProgressBar::new(steps as u64);
        let style = ProgressStyle::with_template(
            "{spinner} {bar:40} {elapsed} {percent:>3}% ETA {eta} {pos} of {len} steps",
        );
        if let Ok(style) = style {
            bar.set_style(style.progress_chars("━╸━"));
        }
        bar.enable_steady_tick(Duration::from_millis(100));
        Progress {
            bar,
            begun: Instant::now(),
        }
    }

    pub(super) fn step(&self) {
        self.bar.inc(1);
    }

    /// Prints something without tearing the bar.
    pub(super) fn beside(&self, print: impl FnOnce()) {
        self.bar.suspend(print);
    }

    /// Takes the bar away.
    pub(super) fn gone(self) {
        self.bar.finish_and_clear();
    }

    /// Takes the bar away and says how much was done in what time.
    pub(super) fn done(self) {
        let steps = self.bar.position();
        self.bar.finish_and_clear();
        let plural = if steps == 1 { "step" } else { "steps" };
        terminal::note(&format!(
            "DONE {steps} {plural} done in {:.2} seconds",
            self.begun.elapsed().as_secs_f64()
        ));
    }
}
