//! Random numbers that are equal in every run, on every machine and with every version of the crates.

/// Steele, Lea & Flood's `SplitMix64`.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which is above 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).unwrap();
        usize::try_from(self.next() % bound).unwrap()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }

    pub(crate) fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.byte()).collect()
    }

    /// A byte with a meaning in the protocol, or any byte.
    pub(crate) fn telling_byte(&mut self) -> u8 {
        const TELLING: [u8; 12] = [0x00, 0x01, 0x07, 0x0a, 0x7f, 0x80, 0x87, 0xfb, 0xfc, 0xfd, 0xfe, 0xff];
        if self.below(2) == 0 { TELLING[self.below(TELLING.len())] } else { self.byte() }
    }

    /// `bytes` with a few changes: flipped, replaced, cut, doubled, left out.
    pub(crate) fn mutated(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut mutant = bytes.to_vec();
        for _ in 0..=self.below(3) {
            if mutant.is_empty() {
                break;
            }
            let at = self.below(mutant.len());
            match self.below(6) {
                0 => mutant[at] ^= 1 << self.below(8),
                1 | 2 => mutant[at] = self.telling_byte(),
                3 => mutant.truncate(at),
                4 => mutant.insert(at, self.telling_byte()),
                _ => {
                    let end = at + self.below((mutant.len() - at).min(8) + 1);
                    mutant.drain(at..end);
                }
            }
        }
        mutant
    }
}
