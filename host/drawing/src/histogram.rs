//! How often a time was about so long, in little memory however many there are.

use std::collections::BTreeMap;
use std::time::Duration;

/// Steps between a time and one that is twice as long. A percentile is at most a
/// sixty-fourth too long for it.
const STEPS: u32 = 64;

/// Times, counted by about how long they are.
#[derive(Debug, Clone, Default)]
pub(crate) struct Histogram {
    /// By the number of the step.
    counts: BTreeMap<u32, u64>,
    count: u64,
    longest: Duration,
}

impl Histogram {
    pub(crate) fn add(&mut self, time: Duration) {
        *self.counts.entry(step(nanos(time))).or_default() += 1;
        self.count += 1;
        self.longest = self.longest.max(time);
    }

    /// How many there are.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// The time that so many of a hundred do not exceed.
    pub(crate) fn percentile(&self, percent: u64) -> Duration {
        let rank = self.count.saturating_mul(percent).div_ceil(100);
        let mut seen = 0;
        for (step, count) in &self.counts {
            seen += count;
            if seen >= rank {
                return Duration::from_nanos(end(*step)).min(self.longest);
            }
        }
        self.longest
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// The step of a number. Those below `STEPS` have one each.
fn step(number: u64) -> u32 {
    // The power of two below it, and the bits behind its first.
    let power = number.max(1).ilog2();
    let shift = power.saturating_sub(STEPS.ilog2());
    let rest = u32::try_from(number >> shift).unwrap_or(u32::MAX);
    shift * STEPS + rest
}

/// The largest number of a step.
fn end(step: u32) -> u64 {
    let shift = (step / STEPS).saturating_sub(1);
    let rest = u128::from(step - shift * STEPS);
    u64::try_from(((rest + 1) << shift) - 1).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_within_its_step() {
        let mut last = 0;
        for number in (0..5000).chain((13..64).map(|power| 1 << power)) {
            let step = step(number);
            assert!(end(step) >= number, "{number}");
            assert!(end(step) - number <= number / u64::from(STEPS), "{number}");
            assert!(step >= last);
            last = step;
        }
    }

    #[test]
    fn percentiles() {
        let millis = |number| Duration::from_millis(number);
        let mut histogram = Histogram::default();
        assert_eq!(histogram.percentile(95), Duration::ZERO);
        for number in 1..=100 {
            histogram.add(millis(number));
        }
        let high = histogram.percentile(95);
        assert!(high >= millis(95) && high < millis(97), "{high:?}");
        assert_eq!(
            histogram.percentile(100),
            millis(100),
            "never above the longest"
        );
        assert_eq!(histogram.count(), 100);
        histogram.add(Duration::MAX);
        assert!(
            histogram.percentile(100) > Duration::from_secs(1 << 34),
            "in nanoseconds"
        );
    }
}
