//! What one side's clients saw.

use std::{fmt, time::Duration};

#[derive(Debug, Default)]
pub(crate) struct Sample {
    times: Vec<Duration>,
    clients: usize,
    attempts: u32,
}

impl Sample {
    pub(crate) fn add(&mut self, times: impl IntoIterator<Item = Option<Duration>>, attempts: u32) {
        for time in times {
            self.clients += 1;
            self.times.extend(time);
        }
        self.times.sort_unstable();
        self.attempts += attempts;
    }

    /// The time that this share of the clients, in thousandths, did not exceed (nearest rank).
    pub(crate) fn quantile(&self, thousandths: usize) -> Duration {
        let rank = (self.times.len() * thousandths).div_ceil(1000);
        self.times.get(rank.max(1) - 1).copied().unwrap_or(Duration::MAX)
    }

    /// Mean per client; `None` where they could not be counted.
    pub(crate) fn attempts(&self) -> Option<f64> {
        let clients = u32::try_from(self.clients).ok()?;
        (self.attempts > 0).then(|| f64::from(self.attempts) / f64::from(clients))
    }

    pub(crate) fn failures(&self) -> usize {
        self.clients - self.times.len()
    }
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for share in [500, 990, 1000] {
            write!(f, "{:>10.2}", self.quantile(share).as_secs_f64() * 1e3)?;
        }
        match self.attempts() {
            Some(attempts) => write!(f, "{attempts:>10.2}")?,
            None => write!(f, "{:>10}", "-")?,
        }
        write!(f, "{:>10}", self.failures())
    }
}
