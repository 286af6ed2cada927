//! The servers' wire protocol: enough for [`source::mysql`](crate::source::mysql) and for the identity query of a
//! `mysql` client. Any account may log in.

use std::{io, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    time::{sleep, timeout},
};

use crate::model::Identity;

/// Connections that send nothing for this time are closed.
const IDLE_MAX: Duration = Duration::from_secs(30);

/// Maximum size of a client's packet.
const PACKET_BYTES_MAX: usize = 64 * 1024;

/// `CLIENT_LONG_PASSWORD | CLIENT_PROTOCOL_41 | CLIENT_TRANSACTIONS | CLIENT_SECURE_CONNECTION | CLIENT_PLUGIN_AUTH`:
/// without `CLIENT_DEPRECATE_EOF`, so that result sets have one form.
const CAPABILITIES: u32 = 0x0000_0001 | 0x0000_0200 | 0x0000_2000 | 0x0000_8000 | 0x0008_0000;

/// `SERVER_STATUS_AUTOCOMMIT`.
const STATUS: u16 = 0x0002;

/// `utf8mb4_0900_ai_ci`.
const COLLATION: u8 = 255;

const AUTH_PLUGIN: &[u8] = b"caching_sha2_password\0";

pub(super) trait Server: Send + Sync + 'static {
    /// `None` while the server is down.
    fn reception(&self) -> Option<Reception>;

    /// `None` while the server is down.
    fn identity(&self) -> Option<Identity>;

    /// The connection counts as open until the value is dropped.
    fn connected(&self) -> Option<Arc<()>> {
        None
    }

    /// Status counters as a connection with this number sees them.
    fn status(&self, _connection: u32) -> Option<Vec<(&'static str, u64)>> {
        None
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Reception {
    /// Allows logins; each query takes this long.
    Greets(Duration),
    Refuses,
}

/// Values that a server chooses for each connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Connection {
    pub(super) id: u32,
    /// Challenge for the password.
    pub(super) salt: [u8; 20],
}

/// Serves one client until it disconnects. Protocol errors of the client end the connection silently.
pub(super) async fn serve<S: Server>(stream: TcpStream, server: S, connection: Connection) {
    let _ = timeout(IDLE_MAX, converse(stream, &server, &connection)).await;
}

async fn converse<S: Server>(stream: TcpStream, server: &S, connection: &Connection) -> io::Result<()> {
    const COM_QUIT: u8 = 0x01;
    const COM_QUERY: u8 = 0x03;
    const COM_PING: u8 = 0x0e;

    let mut stream = BufReader::new(stream);
    let late = match server.reception() {
        None => return Ok(()),
        Some(Reception::Refuses) => {
            // Errors before the login have no SQLSTATE.
            let refusal = [&[0xff, 0x10, 0x04][..], b"Too many connections"].concat();
            return send(&mut stream, 0, &[refusal]).await;
        }
        Some(Reception::Greets(late)) => late,
    };
    let Some(identity) = server.identity() else { return Ok(()) };
    let _open = server.connected();
    send(&mut stream, 0, &[greeting(&identity, connection)]).await?;
    let (sequence, response) = receive(&mut stream).await?;
    // An account without a password is accepted at once, one with a password after "fast authentication succeeded".
    let has_password = response.len() > 32 && !ends_without_password(&response);
    let welcome = if has_password { vec![vec![0x01, 0x03], ok()] } else { vec![ok()] };
    send(&mut stream, sequence.wrapping_add(1), &welcome).await?;
    loop {
        let (sequence, command) = receive(&mut stream).await?;
        let answer = match command.first() {
            Some(&COM_QUIT) | None => return Ok(()),
            Some(&COM_QUERY) if command[1..].starts_with(b"SELECT @@server_id") => {
                sleep(late).await;
                let Some(identity) = server.identity() else { return Ok(()) };
                identity_row(identity)
            }
            Some(&COM_QUERY) if command[1..].starts_with(b"SHOW GLOBAL STATUS") => {
                let status = server.status(connection.id).unwrap_or_default();
                let rows = status.into_iter().map(|(name, value)| vec![Some(name.to_owned()), Some(value.to_string())]);
                result_set(2, rows)
            }
            Some(&COM_QUERY | &COM_PING) => vec![ok()],
            Some(_) => vec![error_packet(1047, *b"08S01", "the demo's servers only tell who they are")],
        };
        send(&mut stream, sequence.wrapping_add(1), &answer).await?;
    }
}

/// Whether the password in the handshake response, after the zero that ends the user name, is empty.
fn ends_without_password(response: &[u8]) -> bool {
    let user_end = response[32..].iter().position(|byte| *byte == 0).map(|end| 32 + end);
    user_end.and_then(|end| response.get(end + 1)).is_none_or(|length| *length == 0)
}

async fn receive(stream: &mut BufReader<TcpStream>) -> io::Result<(u8, Vec<u8>)> {
    let mut header = [0; 4];
    stream.read_exact(&mut header).await?;
    let length = usize::from(header[0]) | usize::from(header[1]) << 8 | usize::from(header[2]) << 16;
    if length > PACKET_BYTES_MAX {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut payload = vec![0; length];
    stream.read_exact(&mut payload).await?;
    Ok((header[3], payload))
}

/// Sends all packets in one write, with ascending numbers from `first`.
async fn send(stream: &mut BufReader<TcpStream>, first: u8, packets: &[Vec<u8>]) -> io::Result<()> {
    let mut bytes = Vec::new();
    let mut sequence = first;
    for packet in packets {
        let length = u32::try_from(packet.len()).map_err(|_| io::ErrorKind::InvalidData)?;
        bytes.extend_from_slice(&length.to_le_bytes()[..3]);
        bytes.push(sequence);
        bytes.extend_from_slice(packet);
        sequence = sequence.wrapping_add(1);
    }
    stream.get_mut().write_all(&bytes).await
}

fn greeting(replica: &Identity, connection: &Connection) -> Vec<u8> {
    let Connection { id, salt } = connection;
    let capabilities = CAPABILITIES.to_le_bytes();
    let mut packet = vec![10];
    packet.extend_from_slice(replica.version.as_bytes());
    packet.push(0);
    packet.extend_from_slice(&id.to_le_bytes());
    packet.extend_from_slice(&salt[..8]);
    packet.push(0);
    packet.extend_from_slice(&capabilities[..2]);
    packet.push(COLLATION);
    packet.extend_from_slice(&STATUS.to_le_bytes());
    packet.extend_from_slice(&capabilities[2..]);
    packet.push(21);
    packet.extend_from_slice(&[0; 10]);
    packet.extend_from_slice(&salt[8..]);
    packet.push(0);
    packet.extend_from_slice(AUTH_PLUGIN);
    packet
}

fn ok() -> Vec<u8> {
    let status = STATUS.to_le_bytes();
    vec![0x00, 0, 0, status[0], status[1], 0, 0]
}

fn eof() -> Vec<u8> {
    let status = STATUS.to_le_bytes();
    vec![0xfe, 0, 0, status[0], status[1]]
}

fn error_packet(code: u16, state: [u8; 5], message: &str) -> Vec<u8> {
    let mut packet = vec![0xff];
    packet.extend_from_slice(&code.to_le_bytes());
    packet.push(b'#');
    packet.extend_from_slice(&state);
    packet.extend_from_slice(message.as_bytes());
    packet
}

fn identity_row(replica: Identity) -> Vec<Vec<u8>> {
    let time = replica.server_time.map(|time| time.strftime("%Y-%m-%d %H:%M:%S.%6f").to_string());
    let fields = [
        Some(replica.server_id.to_string()),
        Some(replica.host_name),
        Some(u8::from(replica.read_only).to_string()),
        Some(replica.version),
        time,
        replica.server_uuid,
        replica.gtid_executed,
        Some("ON".to_owned()),
    ];
    let fields = Vec::from(fields);
    result_set(u8::try_from(fields.len()).unwrap_or(u8::MAX), std::iter::once(fields))
}

fn result_set(columns: u8, rows: impl Iterator<Item = Vec<Option<String>>>) -> Vec<Vec<u8>> {
    let mut packets = vec![vec![columns]];
    packets.extend((0..columns).map(|_| column()));
    packets.push(eof());
    for fields in rows {
        let mut row = Vec::new();
        for field in fields {
            match field {
                None => row.push(0xfb),
                Some(text) => put_string(&mut row, text.as_bytes()),
            }
        }
        packets.push(row);
    }
    packets.push(eof());
    packets
}

/// A text column; clients ignore its names.
fn column() -> Vec<u8> {
    const MYSQL_TYPE_VAR_STRING: u8 = 0xfd;
    let mut packet = Vec::new();
    for name in [&b"def"[..], b"", b"", b"", b"", b""] {
        put_string(&mut packet, name);
    }
    packet.push(0x0c);
    packet.extend_from_slice(&u16::from(COLLATION).to_le_bytes());
    packet.extend_from_slice(&1024_u32.to_le_bytes());
    packet.extend_from_slice(&[MYSQL_TYPE_VAR_STRING, 0, 0, 0, 0, 0]);
    packet
}

/// A length-encoded string, cut to the maximum of a two-byte length. No identity is that long.
fn put_string(packet: &mut Vec<u8>, bytes: &[u8]) {
    let bytes = &bytes[..bytes.len().min(usize::from(u16::MAX))];
    match u8::try_from(bytes.len()) {
        Ok(length) if length < 0xfb => packet.push(length),
        _ => {
            packet.push(0xfc);
            packet.extend_from_slice(&bytes.len().to_le_bytes()[..2]);
        }
    }
    packet.extend_from_slice(bytes);
}
