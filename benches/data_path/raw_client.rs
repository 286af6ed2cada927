//! The least that a client can do for one probe: connect, log in by `caching_sha2_password`'s fast path, ask the
//! identity query, read its row, quit. No TLS, no options, no kinds of errors. What readscope spends is measured
//! against this.

use std::{
    io::{self, ErrorKind::InvalidData},
    net::SocketAddr,
    ops::Range,
};

use ring::digest::{SHA256, digest};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// `CLIENT_LONG_PASSWORD | CLIENT_PROTOCOL_41 | CLIENT_TRANSACTIONS | CLIENT_SECURE_CONNECTION | CLIENT_PLUGIN_AUTH |
/// CLIENT_DEPRECATE_EOF`.
const CAPABILITIES: u32 = 0x0000_0001 | 0x0000_0200 | 0x0000_2000 | 0x0000_8000 | 0x0008_0000 | 0x0100_0000;

/// `utf8mb4_general_ci`.
const COLLATION: u8 = 45;

const COM_QUIT: &[u8] = &[0x01];
const COM_QUERY: u8 = 0x03;

/// A client of one account at one server.
pub(crate) struct RawClient {
    address: SocketAddr,
    user: String,
    password: String,
    /// The whole command.
    question: Vec<u8>,
}

/// One connection and what has been read from it.
struct Wire {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// Where the next packet begins.
    next: usize,
}

impl RawClient {
    pub(crate) fn new(address: SocketAddr, user: &str, password: &str, query: &str) -> Self {
        let question = [&[COM_QUERY], query.as_bytes()].concat();
        Self { address, user: user.to_owned(), password: password.to_owned(), question }
    }

    /// Takes one probe and returns the row's fields.
    pub(crate) async fn probe(&self) -> io::Result<Vec<Option<String>>> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let mut wire = Wire { stream, buffer: Vec::with_capacity(1024), next: 0 };

        let greeting = wire.packet().await?;
        let salt = salt(&wire.buffer[greeting]).ok_or(InvalidData)?;
        wire.send(1, &self.login(&salt)).await?;
        loop {
            let packet = wire.packet().await?;
            match wire.buffer[packet] {
                [0x00, ..] => break,
                // "Fast authentication succeeded"; the OK follows.
                [0x01, 0x03] => {}
                _ => return Err(InvalidData.into()),
            }
        }

        wire.send(0, &self.question).await?;
        let columns = wire.packet().await?;
        let &[columns] = &wire.buffer[columns] else { return Err(InvalidData.into()) };
        for _ in 0..columns {
            wire.packet().await?;
        }
        let row = wire.packet().await?;
        let fields = fields(&wire.buffer[row]).ok_or(InvalidData)?;
        wire.packet().await?;

        wire.send(0, COM_QUIT).await?;
        Ok(fields)
    }

    fn login(&self, salt: &[u8; 20]) -> Vec<u8> {
        let hashed = digest(&SHA256, self.password.as_bytes());
        let twice = digest(&SHA256, hashed.as_ref());
        let salted = digest(&SHA256, &[twice.as_ref(), salt].concat());
        let mut packet = Vec::with_capacity(128);
        packet.extend_from_slice(&CAPABILITIES.to_le_bytes());
        packet.extend_from_slice(&(1_u32 << 20).to_le_bytes());
        packet.push(COLLATION);
        packet.extend_from_slice(&[0; 23]);
        packet.extend_from_slice(self.user.as_bytes());
        packet.extend_from_slice(&[0, 32]);
        packet.extend(hashed.as_ref().iter().zip(salted.as_ref()).map(|(hashed, salted)| hashed ^ salted));
        packet.extend_from_slice(b"caching_sha2_password\0");
        packet
    }
}

impl Wire {
    async fn send(&mut self, sequence: u8, payload: &[u8]) -> io::Result<()> {
        let length = u32::try_from(payload.len()).map_err(|_| InvalidData)?.to_le_bytes();
        let packet = [&length[..3], &[sequence], payload].concat();
        self.stream.write_all(&packet).await
    }

    /// Where the payload of the next packet is.
    async fn packet(&mut self) -> io::Result<Range<usize>> {
        let start = self.next + 4;
        self.fill(start).await?;
        let header = &self.buffer[self.next..start];
        let length = u32::from_le_bytes([header[0], header[1], header[2], 0]) as usize;
        self.fill(start + length).await?;
        self.next = start + length;
        Ok(start..self.next)
    }

    async fn fill(&mut self, until: usize) -> io::Result<()> {
        while self.buffer.len() < until {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(())
    }
}

/// The 20 bytes that the password is hashed with, from the server's greeting.
fn salt(greeting: &[u8]) -> Option<[u8; 20]> {
    let version_end = greeting.iter().position(|byte| *byte == 0)?;
    let first = greeting.get(version_end + 5..version_end + 13)?;
    let second = greeting.get(version_end + 32..version_end + 44)?;
    [first, second].concat().try_into().ok()
}

/// The fields of a text row, none of which is longer than 250 bytes but `@@global.gtid_executed`.
fn fields(mut row: &[u8]) -> Option<Vec<Option<String>>> {
    let mut fields = Vec::with_capacity(7);
    while let Some((&first, rest)) = row.split_first() {
        let (length, rest) = match first {
            0xfb => {
                fields.push(None);
                row = rest;
                continue;
            }
            0xfc => (usize::from(u16::from_le_bytes([*rest.first()?, *rest.get(1)?])), &rest[2..]),
            length => (usize::from(length), rest),
        };
        let (field, rest) = rest.split_at_checked(length)?;
        fields.push(Some(String::from_utf8_lossy(field).into_owned()));
        row = rest;
    }
    Some(fields)
}
