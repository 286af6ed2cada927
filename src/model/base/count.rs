//! Numbers with their nouns.

use std::fmt;

/// Writes `1 read` or `5 reads`.
pub(crate) struct Count<N>(pub(crate) N, pub(crate) &'static str);

impl<N: fmt::Display> fmt::Display for Count<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(number, noun) = self;
        let number = number.to_string();
        write!(f, "{number} {noun}{}", if number == "1" { "" } else { "s" })
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
}
