//! The server side of the `MySQL` protocol, written by hand so that every byte can be wrong.

pub(crate) const CLIENT_LONG_PASSWORD: u32 = 1;
const CLIENT_PROTOCOL_41: u32 = 1 << 9;
pub(crate) const CLIENT_SSL: u32 = 1 << 11;
const CLIENT_TRANSACTIONS: u32 = 1 << 13;
const CLIENT_SECURE_CONNECTION: u32 = 1 << 15;
const CLIENT_PLUGIN_AUTH: u32 = 1 << 19;
pub(crate) const CLIENT_DEPRECATE_EOF: u32 = 1 << 24;

const STATUS_AUTOCOMMIT: u16 = 2;

/// The initial handshake packet, with every field to be set.
#[derive(Clone, Debug)]
pub(crate) struct Greeting {
    pub(crate) protocol: u8,
    pub(crate) version: Vec<u8>,
    pub(crate) capabilities: u32,
    pub(crate) salt_length: u8,
    pub(crate) plugin: Vec<u8>,
}

/// A text of the identity query's row; `None` is NULL.
pub(crate) type Field = Option<Vec<u8>>;

impl Default for Greeting {
    fn default() -> Self {
        Self {
            protocol: 10,
            version: b"9.7.0".to_vec(),
            capabilities: CLIENT_LONG_PASSWORD
                | CLIENT_PROTOCOL_41
                | CLIENT_TRANSACTIONS
                | CLIENT_SECURE_CONNECTION
                | CLIENT_PLUGIN_AUTH,
            salt_length: 21,
            plugin: b"caching_sha2_password".to_vec(),
        }
    }
}

impl Greeting {
    pub(crate) fn with_tls(mut self) -> Self {
        self.capabilities |= CLIENT_SSL;
        self
    }

    pub(crate) fn payload(&self) -> Vec<u8> {
        let capabilities = self.capabilities.to_le_bytes();
        let mut payload = vec![self.protocol];
        payload.extend_from_slice(&self.version);
        payload.push(0);
        payload.extend_from_slice(&7_u32.to_le_bytes());
        payload.extend_from_slice(b"saltsalt\0");
        payload.extend_from_slice(&capabilities[..2]);
        payload.push(255);
        payload.extend_from_slice(&STATUS_AUTOCOMMIT.to_le_bytes());
        payload.extend_from_slice(&capabilities[2..]);
        payload.push(self.salt_length);
        payload.extend_from_slice(&[0; 10]);
        payload.extend_from_slice(b"salt-salt-12\0");
        payload.extend_from_slice(&self.plugin);
        payload.push(0);
        payload
    }

    pub(crate) fn packet(&self) -> Vec<u8> {
        packet(0, &self.payload())
    }
}

/// One packet. The caller must not pass a payload whose length does not fit into three bytes.
pub(crate) fn packet(sequence: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_le_bytes();
    assert_eq!(length[3], 0, "a longer payload takes several packets");
    let mut packet = vec![length[0], length[1], length[2], sequence];
    packet.extend_from_slice(payload);
    packet
}

/// Packets with ascending numbers.
pub(crate) fn packets(first: u8, payloads: &[Vec<u8>]) -> Vec<u8> {
    let numbered = payloads.iter().scan(first, |sequence, payload| {
        let packet = packet(*sequence, payload);
        *sequence = sequence.wrapping_add(1);
        Some(packet)
    });
    numbered.flatten().collect()
}

pub(crate) fn ok() -> Vec<u8> {
    vec![0, 0, 0, 2, 0, 0, 0]
}

pub(crate) fn eof() -> Vec<u8> {
    vec![0xfe, 0, 0, 2, 0]
}

/// An error; before the login, servers leave the SQL state out.
pub(crate) fn error(code: u16, state: Option<&str>, message: &str) -> Vec<u8> {
    let mut payload = vec![0xff];
    payload.extend_from_slice(&code.to_le_bytes());
    if let Some(state) = state {
        payload.push(b'#');
        payload.extend_from_slice(state.as_bytes());
    }
    payload.extend_from_slice(message.as_bytes());
    payload
}

pub(crate) fn auth_switch(plugin: &[u8], data: &[u8]) -> Vec<u8> {
    [&[0xfe], plugin, &[0], data, &[0]].concat()
}

/// A length-encoded string.
pub(crate) fn text(bytes: &[u8]) -> Vec<u8> {
    let length = u64::try_from(bytes.len()).unwrap().to_le_bytes();
    let mut encoded = match bytes.len() {
        0..=250 => vec![length[0]],
        251..=0xffff => [&[0xfc], &length[..2]].concat(),
        0x1_0000..=0xff_ffff => [&[0xfd], &length[..3]].concat(),
        _ => [&[0xfe], &length[..]].concat(),
    };
    encoded.extend_from_slice(bytes);
    encoded
}

/// The definition of a text column.
pub(crate) fn column() -> Vec<u8> {
    let mut payload: Vec<u8> = [&b"def"[..], b"", b"", b"", b"name", b""].into_iter().flat_map(text).collect();
    payload.extend_from_slice(&[0x0c, 255, 0, 0, 4, 0, 0, 0xfd, 0, 0, 0, 0, 0]);
    payload
}

pub(crate) fn row(fields: &[Field]) -> Vec<u8> {
    fields.iter().flat_map(|field| field.as_deref().map_or_else(|| vec![0xfb], text)).collect()
}

/// A result set of text columns, as payloads: the count, the columns, an end, the rows, an end.
pub(crate) fn result_set(columns: u8, rows: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut payloads = vec![vec![columns]];
    payloads.extend((0..columns).map(|_| column()));
    payloads.push(eof());
    payloads.extend_from_slice(rows);
    payloads.push(eof());
    payloads
}

/// The identity of a replica, in the order of the identity query.
pub(crate) fn identity(server_id: &str, host_name: &str) -> Vec<Field> {
    let uuid = format!("00000000-0000-4000-8000-{server_id:0>12}");
    let fields = [server_id, host_name, "1", "9.7.0", "2026-11-22 20:00:00.250000", &uuid, "", "ON"];
    fields.map(|field| Some(field.as_bytes().to_vec())).to_vec()
}

/// `identity` with the field at `index` replaced.
pub(crate) fn identity_with(index: usize, field: Option<&[u8]>) -> Vec<Field> {
    let mut fields = identity("101", "mysql-1");
    fields[index] = field.map(<[u8]>::to_vec);
    fields
}

/// The whole response to the identity query.
pub(crate) fn identity_answer(fields: &[Field]) -> Vec<u8> {
    let columns = u8::try_from(fields.len()).unwrap();
    packets(1, &result_set(columns, &[row(fields)]))
}
