//! What a server's packets say. Nothing here trusts a length, a count or a name before it has been checked.

use super::{
    authentication::{Plugin, SALT_BYTES, Salt},
    failure::ConversationError,
};

pub(super) const CLIENT_LONG_PASSWORD: u32 = 1;
pub(super) const CLIENT_PROTOCOL_41: u32 = 1 << 9;
pub(super) const CLIENT_SSL: u32 = 1 << 11;
pub(super) const CLIENT_TRANSACTIONS: u32 = 1 << 13;
pub(super) const CLIENT_SECURE_CONNECTION: u32 = 1 << 15;
pub(super) const CLIENT_PLUGIN_AUTH: u32 = 1 << 19;
pub(super) const CLIENT_DEPRECATE_EOF: u32 = 1 << 24;

/// What every server since `MySQL` 5.6 and `MariaDB` 10 can do; without it this client cannot log in.
const NEEDED: u32 = CLIENT_PROTOCOL_41 | CLIENT_SECURE_CONNECTION | CLIENT_PLUGIN_AUTH;

/// What of a server's greeting matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Greeting {
    pub(super) capabilities: u32,
    /// `None`: one that is not known here. It is the server's and need not be the account's.
    pub(super) plugin: Option<Plugin>,
    pub(super) salt: Salt,
}

/// The fields of a row in their text form; `None` is NULL.
pub(super) type Fields = Vec<Option<String>>;

impl Greeting {
    pub(super) fn read(packet: &[u8]) -> Result<Self, ConversationError> {
        let greeting = Self::parse(packet).ok_or(ConversationError::Protocol("the greeting is not MySQL's"))?;
        if greeting.capabilities & NEEDED != NEEDED {
            return Err(ConversationError::Protocol("the server is older than MySQL 5.6"));
        }
        Ok(greeting)
    }

    fn parse(packet: &[u8]) -> Option<Self> {
        const VERSION: u8 = 10;
        /// Connection id (4), first part of the salt (8), a zero, capabilities (2), collation (1), status (2), further
        /// capabilities (2), length of the salt (1), reserved (10).
        const FIXED: usize = 31;
        const FIRST: usize = 8;
        const SECOND: usize = SALT_BYTES - FIRST;
        let [VERSION, rest @ ..] = packet else { return None };
        let version_end = rest.iter().position(|byte| *byte == 0)?;
        let (fixed, rest) = rest[version_end + 1..].split_at_checked(FIXED)?;
        let capabilities = u32::from_le_bytes([fixed[13], fixed[14], fixed[18], fixed[19]]);
        let mut salt = [0; SALT_BYTES];
        salt[..FIRST].copy_from_slice(&fixed[4..12]);
        salt[FIRST..].copy_from_slice(rest.get(..SECOND)?);
        // A zero ends the salt, and other plugins have longer ones.
        let salt_bytes = usize::from(fixed[20]).saturating_sub(FIRST).max(SECOND + 1);
        let name = rest.get(salt_bytes..).unwrap_or_default();
        Some(Self { capabilities, plugin: name.split(|byte| *byte == 0).next().and_then(Plugin::of), salt })
    }
}

/// The plugin that the server wants instead, and the salt for it; `packet` is without its first byte.
pub(super) fn switch(packet: &[u8]) -> Result<(Plugin, Salt), ConversationError> {
    let unknown = |name| ConversationError::Plugin(String::from_utf8_lossy(name).into_owned());
    // Without a name it is the password hash as it was before 4.1.
    let end = packet.iter().position(|byte| *byte == 0).ok_or_else(|| unknown(b"mysql_old_password"))?;
    let (name, data) = packet.split_at(end);
    let plugin = Plugin::of(name).ok_or_else(|| unknown(name))?;
    let no_salt = ConversationError::Protocol("the server switches plugins without a salt");
    data[1..].first_chunk().map(|salt| (plugin, *salt)).ok_or(no_salt)
}

/// The error that a server tells; `packet` is without its first byte.
pub(super) fn refusal(packet: &[u8]) -> ConversationError {
    let Some((code, rest)) = packet.split_first_chunk() else {
        return ConversationError::Protocol("an error is cut off");
    };
    // Before the login there is no SQL state.
    let (state, message) = match rest {
        [b'#', rest @ ..] if rest.len() >= 5 => rest.split_at(5),
        _ => (&b"HY000"[..], rest),
    };
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    ConversationError::Server { code: u16::from_le_bytes(*code), state: text(state), message: text(message) }
}

/// The fields of a row that has so many columns and nothing more.
pub(super) fn fields(mut row: &[u8], columns: usize) -> Option<Fields> {
    let mut fields = Vec::with_capacity(columns);
    for _ in 0..columns {
        let (length, rest) = match row {
            [0xfb, rest @ ..] => {
                fields.push(None);
                row = rest;
                continue;
            }
            [0xfc, low, high, rest @ ..] => (usize::from(u16::from_le_bytes([*low, *high])), rest),
            [0xfd, low, middle, high, rest @ ..] => {
                (usize::from(*low) | usize::from(*middle) << 8 | usize::from(*high) << 16, rest)
            }
            // What is longer is longer than a packet.
            [0xfc..=0xff, ..] | [] => return None,
            [length, rest @ ..] => (usize::from(*length), rest),
        };
        let (field, rest) = rest.split_at_checked(length)?;
        fields.push(Some(String::from_utf8_lossy(field).into_owned()));
        row = rest;
    }
    row.is_empty().then_some(fields)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_longer_salt_does_not_hide_the_plugin() {
        let mut packet = vec![10, b'9', 0];
        packet.extend_from_slice(&[b'i'; 4]);
        packet.extend_from_slice(b"saltsalt\0\xff\xff\xff\x02\0\xff\xff");
        packet.push(40);
        packet.extend_from_slice(&[0; 10]);
        packet.extend_from_slice(&[b's'; 31]);
        packet.extend_from_slice(b"\0mysql_native_password\0");
        assert_eq!(Greeting::read(&packet).unwrap().plugin, Some(Plugin::Native));
    }

    #[test]
    fn fields_are_read_by_every_form_of_length() {
        let long = vec![b'x'; 300];
        let row = [&[1, b'a', 0xfb, 0, 0xfc, 44, 1][..], &long, &[0xfd, 44, 1, 0], &long].concat();
        let fields = fields(&row, 5).unwrap();
        let lengths: Vec<Option<usize>> = fields.iter().map(|field| field.as_ref().map(String::len)).collect();
        assert_eq!(lengths, [Some(1), None, Some(0), Some(300), Some(300)]);
    }

    #[test]
    fn a_row_that_does_not_fit_its_columns_is_none() {
        for (row, columns) in [
            (&b""[..], 1),
            (b"\x01a", 2),
            (b"\x01a\x01b", 1),
            (b"\x02a", 1),
            (b"\xfc\xff", 1),
            (b"\xfd\xff\xff\xff", 1),
            (b"\xfe\x01\0\0\0\0\0\0\0a", 1),
            (b"\xff", 1),
        ] {
            assert_eq!(fields(row, columns), None, "{row:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, columns in 0..250_usize) {
            let _ = Greeting::parse(&[&[10], bytes.as_slice()].concat());
            let _ = switch(&bytes);
            let _ = refusal(&bytes);
            let _ = fields(&bytes, columns);
        }
    }
}
