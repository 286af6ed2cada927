//! Counts and durations as people read them.

use std::{fmt, time::Duration};

/// Writes `1 read` or `5 reads`.
pub(crate) struct Count<N>(pub(crate) N, pub(crate) &'static str);

impl<N: fmt::Display> fmt::Display for Count<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(number, noun) = self;
        let number = number.to_string();
        write!(f, "{number} {noun}{}", if number == "1" { "" } else { "s" })
    }
}

/// Writes at most two units: `29 d 3 h`, `2 min 5 s` or `20 s`. A precision counts for seconds below a minute: `{:.1}`
/// writes `1.4 s`.
pub(crate) struct HumanDuration(pub(crate) Duration);

impl fmt::Display for HumanDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(u64, &str); 4] = [(86_400, "d"), (3600, "h"), (60, "min"), (1, "s")];
        let seconds = self.0.as_secs();
        let Some(at) = UNITS[..3].iter().position(|(unit, _)| seconds >= *unit) else {
            let digits = f.precision().unwrap_or(0);
            return write!(f, "{:.digits$} s", self.0.as_secs_f64());
        };
        let [(large, large_name), (small, small_name)] = [UNITS[at], UNITS[at + 1]];
        write!(f, "{} {large_name}", seconds / large)?;
        match seconds % large / small {
            0 => Ok(()),
            rest => write!(f, " {rest} {small_name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_is_singular() {
        let written =
            [Count(0, "read"), Count(1, "read"), Count(2, "read"), Count(11, "read")].map(|it| it.to_string());
        assert_eq!(written, ["0 reads", "1 read", "2 reads", "11 reads"]);
        assert_eq!(Count(format_args!("{:.0}", 1.2), "probe").to_string(), "1 probe");
    }

    #[test]
    fn durations_have_at_most_two_units() {
        for (seconds, text) in [
            (0.0, "0 s"),
            (20.4, "20 s"),
            (60.0, "1 min"),
            (125.9, "2 min 5 s"),
            (10_800.0, "3 h"),
            (10_859.0, "3 h"),
            (2_514_764.0, "29 d 2 h"),
        ] {
            assert_eq!(HumanDuration(Duration::from_secs_f64(seconds)).to_string(), text);
        }
        assert_eq!(format!("{:.1}", HumanDuration(Duration::from_millis(1449))), "1.4 s");
        assert_eq!(format!("{:.2}", HumanDuration(Duration::from_millis(340))), "0.34 s");
    }
}
