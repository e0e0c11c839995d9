//! How long to wait between attempts: a policy and its sequence, without a clock.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    time::Duration,
};

/// Exponential backoff with full jitter. Each delay is drawn evenly from 0 to a bound. The bound
/// grows by a factor up to a cap.
///
/// Full jitter keeps clients that lost the same server from coming back at the same time. All
/// calculations are in whole nanoseconds, so the same seed gives the same delays everywhere.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use npipes::retry::Backoff;
///
/// let policy = Backoff::new(Duration::from_millis(1), Duration::from_millis(32)).seed(7);
/// let delays: Vec<Duration> = policy.delays().take(20).collect();
/// assert!(delays.iter().all(|delay| *delay <= Duration::from_millis(32)));
/// assert_eq!(delays, policy.delays().take(20).collect::<Vec<_>>());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Backoff {
    first: Duration,
    cap: Duration,
    factor: u32,
    jitter: Jitter,
    seed: Option<u64>,
}

/// The part of the time up to the bound from which a delay is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Jitter {
    Full,
    UpperHalf,
    None,
}

impl Backoff {
    /// Returns a policy whose bound starts at `first`, doubles each time, and stays at `cap`.
    pub const fn new(first: Duration, cap: Duration) -> Self {
        Self { first, cap, factor: 2, jitter: Jitter::Full, seed: None }
    }

    /// Multiplies the bound by `factor` after each delay. The default is 2. With 1 the bound stays
    /// the same. 0 counts as 1.
    pub const fn factor(mut self, factor: u32) -> Self {
        self.factor = if factor == 0 { 1 } else { factor };
        self
    }

    /// Waits for the bound itself instead of a random part of it.
    pub const fn without_jitter(mut self) -> Self {
        self.jitter = Jitter::None;
        self
    }

    /// Draws each delay from the upper half, from half of the bound to the bound. Clients still do
    /// not come back at the same time, and no delay is much shorter than the bound.
    pub const fn upper_half(mut self) -> Self {
        self.jitter = Jitter::UpperHalf;
        self
    }

    /// Fixes the sequence of delays, for tests. Without a seed each sequence is random.
    pub const fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Returns the longest delay.
    pub(crate) const fn cap(&self) -> Duration {
        self.cap
    }

    /// Returns the sequence of delays. It never ends.
    #[must_use]
    pub fn delays(&self) -> Delays {
        Delays {
            policy: *self,
            bound: self.first.min(self.cap),
            random: SplitMix64(
                self.seed.unwrap_or_else(|| RandomState::new().build_hasher().finish()),
            ),
        }
    }
}

/// The delays of a [`Backoff`], one after the other. The sequence never ends.
#[derive(Debug, Clone)]
pub struct Delays {
    policy: Backoff,
    bound: Duration,
    random: SplitMix64,
}

impl Delays {
    /// Returns the next delay.
    pub fn next_delay(&mut self) -> Duration {
        let bound = self.bound;
        self.bound = bound.saturating_mul(self.policy.factor).min(self.policy.cap);
        match self.policy.jitter {
            Jitter::Full => self.random.up_to(bound),
            Jitter::UpperHalf => bound - self.random.up_to(bound / 2),
            Jitter::None => bound,
        }
    }

    /// Starts again from the first bound, without repeating the random numbers.
    pub fn reset(&mut self) {
        self.bound = self.policy.first.min(self.policy.cap);
    }
}

impl Iterator for Delays {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        Some(self.next_delay())
    }
}

/// Steele, Lea and Flood's generator. The generator of another crate would also work, but no such
/// crate promises the same numbers for a seed in its next version, and the delays of a seed are
/// under test.
#[derive(Debug, Clone)]
struct SplitMix64(u64);

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Draws evenly from 0 to `bound`, both included. A bound over 584 years counts as 584 years.
    fn up_to(&mut self, bound: Duration) -> Duration {
        let nanos = u64::try_from(bound.as_nanos()).unwrap_or(u64::MAX);
        let scaled = (u128::from(self.next()) * (u128::from(nanos) + 1)) >> 64;
        Duration::from_nanos(u64::try_from(scaled).unwrap_or(nanos))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn without_jitter_the_bounds_themselves_are_waited() {
        let policy = Backoff::new(MS, 32 * MS).without_jitter();
        let delays: Vec<u128> = policy.delays().take(8).map(|delay| delay.as_millis()).collect();
        assert_eq!(delays, [1, 2, 4, 8, 16, 32, 32, 32]);
    }

    #[test]
    fn the_factor_multiplies_the_bound_and_0_counts_as_1() {
        for (factor, expected) in [(3, [1, 3, 9, 27, 32]), (1, [1; 5]), (0, [1; 5])] {
            let policy = Backoff::new(MS, 32 * MS).factor(factor).without_jitter();
            let delays: Vec<u128> =
                policy.delays().take(5).map(|delay| delay.as_millis()).collect();
            assert_eq!(delays, expected, "factor {factor}");
        }
    }

    #[test]
    fn a_seed_fixes_every_delay() {
        let policy = Backoff::new(MS, 32 * MS).seed(42);
        let nanos: Vec<u128> = policy.delays().take(8).map(|delay| delay.as_nanos()).collect();
        assert_eq!(
            nanos,
            [741_565, 319_820, 1_114_404, 2_753_526, 608_482, 27_783_299, 6_988_966, 25_620_220]
        );
    }

    #[test]
    fn the_random_numbers_are_those_of_splitmix64() {
        let mut numbers = SplitMix64(1_234_567);
        let drawn = [(); 3].map(|()| numbers.next());
        assert_eq!(
            drawn,
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]
        );
    }

    #[test]
    fn sequences_without_a_seed_differ() {
        let policy = Backoff::new(MS, 32 * MS);
        let draw = || policy.delays().take(8).collect::<Vec<_>>();
        assert_ne!(draw(), draw());
    }

    #[test]
    fn a_reset_starts_again_from_the_first_bound() {
        let mut delays = Backoff::new(MS, 32 * MS).without_jitter().delays();
        assert_eq!(delays.nth(4), Some(16 * MS));
        delays.reset();
        assert_eq!(delays.next(), Some(MS));
    }

    proptest! {
        #[test]
        fn no_delay_exceeds_its_bound(
            first in 0..u64::MAX, cap in 0..u64::MAX, factor: u32, seed: u64,
        ) {
            let policy = Backoff::new(Duration::from_nanos(first), Duration::from_nanos(cap))
                .factor(factor)
                .seed(seed);
            for (delay, bound) in policy.delays().zip(policy.without_jitter().delays()).take(64) {
                prop_assert!(delay <= bound);
                prop_assert!(bound <= Duration::from_nanos(cap));
            }
            let bounds = policy.without_jitter().delays();
            for (delay, bound) in policy.upper_half().delays().zip(bounds).take(64) {
                prop_assert!(bound / 2 <= delay && delay <= bound);
            }
        }
    }
}
