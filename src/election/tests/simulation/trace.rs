use std::fmt;

/// What happened in one run, for people; nothing is kept unless somebody wants to read it.
#[derive(Default)]
pub struct Trace {
    lines: Option<Vec<String>>,
}

impl Trace {
    pub fn kept() -> Self {
        Trace {
            lines: Some(Vec::new()),
        }
    }

    /// `who` did, or met, what `what` says at true time `at`.
    pub fn line(&mut self, at: u64, who: impl fmt::Display, what: impl FnOnce() -> String) {
        if let Some(lines) = &mut self.lines {
            let (seconds, micros) = (at / 1_000_000, at % 1_000_000);
            lines.push(format!("{seconds:>5}.{micros:06}  {who:<5}  {}", what()));
        }
    }

    pub fn into_lines(self) -> Vec<String> {
        self.lines.unwrap_or_default()
    }
}
