//! Shows the progress of a long transfer on standard error.

use std::{
    io::{IsTerminal, stderr},
    time::{Duration, Instant},
};

/// Shows itself on a terminal, in one line that it writes again and again, or when it was asked for,
/// then a line at a time.
pub(crate) struct Progress {
    total: u64,
    done: u64,
    started: Instant,
    shown: Instant,
    form: Form,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Hidden,
    OneLine,
    Lines,
}

impl Progress {
    const INTERVAL: Duration = Duration::from_millis(250);

    pub(crate) fn new(total: u64, asked_for: bool) -> Self {
        let form = match (stderr().is_terminal(), asked_for) {
            (true, _) => Form::OneLine,
            (false, true) => Form::Lines,
            (false, false) => Form::Hidden,
        };
        let now = Instant::now();
        Self { total, done: 0, started: now, shown: now, form }
    }

    pub(crate) fn add(&mut self, bytes: usize) {
        self.done += bytes as u64;
        if self.form != Form::Hidden && self.shown.elapsed() >= Self::INTERVAL {
            self.shown = Instant::now();
            self.show();
        }
    }

    /// Shows the last state, and leaves the line.
    pub(crate) fn finish(&self) {
        self.show();
        if self.form == Form::OneLine {
            eprintln!();
        }
    }

    fn show(&self) {
        let &Self { total, done, .. } = self;
        let percent = done.saturating_mul(100).checked_div(total).unwrap_or(100);
        let seconds = self.started.elapsed().as_secs_f64().max(1e-3);
        let rate = done as f64 / 1e6 / seconds;
        let line = format!("{percent:3}% {done} of {total} bytes, {rate:.1} MB/s");
        match self.form {
            Form::Hidden => {}
            Form::OneLine => eprint!("\r{line}   "),
            Form::Lines => eprintln!("{line}"),
        }
    }
}
