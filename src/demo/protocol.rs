//! What the demo's servers say on the wire: enough of the real protocol to be sampled by
//! [`source::mysql`](crate::source::mysql) and to answer a `mysql` client's identity query. Any account may log in.

use std::{io, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    time::{sleep, timeout},
};

use crate::model::Identity;

/// A client that says nothing for so long is hung up on.
const IDLE_MAX: Duration = Duration::from_secs(30);

/// No client has reason to send a larger packet.
const PACKET_BYTES_MAX: usize = 64 * 1024;

/// `CLIENT_LONG_PASSWORD | CLIENT_PROTOCOL_41 | CLIENT_TRANSACTIONS | CLIENT_SECURE_CONNECTION | CLIENT_PLUGIN_AUTH`:
/// without `CLIENT_DEPRECATE_EOF`, so that result sets have one form.
const CAPABILITIES: u32 = 0x0000_0001 | 0x0000_0200 | 0x0000_2000 | 0x0000_8000 | 0x0008_0000;

/// `SERVER_STATUS_AUTOCOMMIT`.
const STATUS: u16 = 0x0002;

/// `utf8mb4_0900_ai_ci`.
const COLLATION: u8 = 255;

const AUTH_PLUGIN: &[u8] = b"caching_sha2_password\0";

/// A server as its clients find it.
pub(super) trait Server: Send + Sync + 'static {
    /// How it receives a connection; `None` while it does not run.
    fn reception(&self) -> Option<Reception>;

    /// What it says of itself, with its time; `None` while it does not run.
    fn identity(&self) -> Option<Identity>;
}

/// How a server receives a connection.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Reception {
    /// It lets clients log in, and answers each query after so long.
    Greets(Duration),
    /// It says that too many connections are open.
    Refuses,
}

/// What a server makes up for each connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Connection {
    /// Its number.
    pub(super) id: u32,
    /// What a password would be scrambled with.
    pub(super) salt: [u8; 20],
}

/// Serves one client to its end. One that breaks the protocol off is its own affair.
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
            // Before the login there is no SQLSTATE in an error.
            let refusal = [&[0xff, 0x10, 0x04][..], b"Too many connections"].concat();
            return send(&mut stream, 0, &[refusal]).await;
        }
        Some(Reception::Greets(late)) => late,
    };
    let Some(identity) = server.identity() else { return Ok(()) };
    send(&mut stream, 0, &[greeting(&identity, connection)]).await?;
    let (sequence, response) = receive(&mut stream).await?;
    // An account without a password is let in at once; one with a password after "fast authentication succeeded".
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
            Some(&COM_QUERY | &COM_PING) => vec![ok()],
            Some(_) => vec![error_packet(1047, *b"08S01", "the demo's servers only tell who they are")],
        };
        send(&mut stream, sequence.wrapping_add(1), &answer).await?;
    }
}

/// Whether the handshake response's password field, after the user name's zero, has the length 0.
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

/// Sends packets with ascending numbers in one write.
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

/// The result set of the identity query.
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
    let mut packets = vec![vec![8]];
    packets.extend((0..fields.len()).map(|_| column()));
    packets.push(eof());
    let mut row = Vec::new();
    for field in fields {
        match field {
            None => row.push(0xfb),
            Some(text) => put_string(&mut row, text.as_bytes()),
        }
    }
    packets.push(row);
    packets.push(eof());
    packets
}

/// The definition of a text column; its names matter to nobody.
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

/// A length-encoded string; what is longer than two length bytes can say is cut, which no identity is.
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
