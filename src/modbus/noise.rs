//! Bytes before the answers of an RTU line: they are discarded once two answers in a row have shown that this line has them. Pure.

/// Consecutive answers with other bytes before them that prove that this line has such bytes.
const PROOF_OF_NOISE: u8 = 2;

/// What an RTU line is known to do.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RtuTolerance {
    /// Consecutive answers with other bytes before them, up to [`PROOF_OF_NOISE`].
    noisy: u8,
}

impl RtuTolerance {
    /// An intact answer came behind bytes that belong to no frame. True where it may be used: the answer before had such bytes as well.
    pub(super) fn noise_before(&mut self) -> bool {
        self.noisy = (self.noisy + 1).min(PROOF_OF_NOISE);
        self.noisy == PROOF_OF_NOISE
    }

    /// An answer came with nothing before it.
    pub(super) fn clean(&mut self) {
        if self.noisy < PROOF_OF_NOISE {
            self.noisy = 0;
        }
    }

    /// A request failed: a late answer may come, and the proof starts again.
    pub(super) fn failed(&mut self) {
        self.noisy = 0;
    }

    /// Whether such bytes were seen, once or more.
    pub(super) fn expects_noise(&self) -> bool {
        self.noisy > 0
    }

    /// What the line is known to do, in words.
    pub(super) fn shown(&self) -> Vec<String> {
        let noisy = self.noisy == PROOF_OF_NOISE;
        noisy.then(|| "other bytes come before the answers and are discarded".to_owned()).into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_before_answers_is_proven_by_two_and_forgotten_after_a_failure() {
        let mut line = RtuTolerance::default();
        assert!(!line.noise_before() && line.noise_before() && line.noise_before());
        assert_eq!(line.shown().len(), 1);
        line.clean();
        assert!(line.noise_before(), "an answer without noise is no contradiction");
        line.failed();
        assert!(line.shown().is_empty() && !line.noise_before(), "a late answer may follow");
        line.clean();
        assert!(!line.noise_before(), "not consecutive");
    }
}
