//! Packets over a stream, encrypted or not. How much a server may send is bounded, packet by packet and in all, so that
//! it can neither fill the memory nor keep this side reading.

use std::io;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::client::TlsStream;

use super::failure::ConversationError;

const HEADER_BYTES: usize = 4;

/// No server has reason to send a longer packet, nor has this side. The protocol's own limit is 16 MB.
pub(super) const PACKET_BYTES_MAX: usize = 1 << 20;

/// All packets of one exchange together.
const EXCHANGE_BYTES_MAX: usize = 2 * PACKET_BYTES_MAX;

/// Packets that have been read are dropped from the buffer when they are more than this.
const READ_BYTES_MAX: usize = 16 * 1024;

/// The packets of one connection.
#[derive(Debug)]
pub(super) struct Packets {
    stream: Stream,
    /// What has arrived. It grows with what arrives, never with what a header announces.
    buffer: Vec<u8>,
    /// Where in `buffer` the next packet begins.
    next: usize,
    /// The number of the next packet, whoever sends it.
    sequence: u8,
    /// Bytes of this exchange that have been read.
    exchanged: usize,
    /// Whether the last packet was not written to its end, so that another one would be taken for a part of it.
    half_sent: bool,
}

#[derive(Debug)]
enum Stream {
    Plain(TcpStream),
    Encrypted(Box<TlsStream<TcpStream>>),
}

impl Packets {
    pub(super) fn over(stream: TcpStream) -> Self {
        Self {
            stream: Stream::Plain(stream),
            buffer: Vec::with_capacity(1024),
            next: 0,
            sequence: 0,
            exchanged: 0,
            half_sent: false,
        }
    }

    pub(super) fn is_encrypted(&self) -> bool {
        matches!(self.stream, Stream::Encrypted(_))
    }

    /// Goes on over what `encrypt` makes of the stream.
    pub(super) async fn encrypted<F>(self, encrypt: impl FnOnce(TcpStream) -> F) -> Result<Self, ConversationError>
    where
        F: Future<Output = io::Result<TlsStream<TcpStream>>>,
    {
        // What came before the handshake may be from anybody; it must not count as if it were from the server.
        if self.next != self.buffer.len() {
            return Err(ConversationError::Protocol("the server goes on talking before it encrypts"));
        }
        let Stream::Plain(stream) = self.stream else { return Ok(self) };
        let stream = encrypt(stream).await.map_err(ConversationError::Handshake)?;
        Ok(Self { stream: Stream::Encrypted(Box::new(stream)), ..self })
    }

    /// Begins a new exchange: numbers start anew.
    pub(super) fn begin(&mut self) {
        self.sequence = 0;
        self.exchanged = 0;
    }

    /// Sends one packet, whose payload is `parts` one after the other, in one write.
    pub(super) async fn send(&mut self, parts: &[&[u8]]) -> Result<(), ConversationError> {
        let length = parts.iter().map(|part| part.len()).sum::<usize>();
        let [low, middle, high, 0] = u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes() else {
            return Err(ConversationError::Protocol("what is to be sent is too long for a packet"));
        };
        let mut packet = Vec::with_capacity(HEADER_BYTES + length);
        packet.extend_from_slice(&[low, middle, high, self.sequence]);
        for part in parts {
            packet.extend_from_slice(part);
        }
        self.sequence = self.sequence.wrapping_add(1);
        self.half_sent = true;
        self.stream.write(&packet).await?;
        self.half_sent = false;
        Ok(())
    }

    /// The payload of the next packet.
    pub(super) async fn receive(&mut self) -> Result<&[u8], ConversationError> {
        if self.next == self.buffer.len() || self.next > READ_BYTES_MAX {
            self.buffer.drain(..self.next);
            self.next = 0;
        }
        let start = self.next + HEADER_BYTES;
        self.fill(start).await?;
        let [low, middle, high, sequence] = self.buffer[self.next..start] else {
            return Err(ConversationError::Protocol("a packet has no header"));
        };
        if sequence != self.sequence {
            return Err(ConversationError::Protocol("a packet is out of order"));
        }
        self.sequence = self.sequence.wrapping_add(1);
        let length = usize::from(low) | usize::from(middle) << 8 | usize::from(high) << 16;
        if length > PACKET_BYTES_MAX {
            return Err(ConversationError::Protocol("a packet is too long"));
        }
        self.exchanged += HEADER_BYTES + length;
        if self.exchanged > EXCHANGE_BYTES_MAX {
            return Err(ConversationError::Protocol("the server does not stop talking"));
        }
        let end = start + length;
        self.fill(end).await?;
        self.next = end;
        Ok(&self.buffer[start..end])
    }

    /// Closes the connection with `COM_QUIT`; without it the server counts an aborted client.
    pub(super) async fn quit(mut self) -> Result<(), ConversationError> {
        const COM_QUIT: u8 = 0x01;
        if self.half_sent {
            return Ok(());
        }
        self.begin();
        self.send(&[&[COM_QUIT]]).await?;
        Ok(self.stream.end().await?)
    }

    /// Reads until the buffer has so many bytes.
    async fn fill(&mut self, bytes: usize) -> io::Result<()> {
        while self.buffer.len() < bytes {
            if self.stream.read(&mut self.buffer).await? == 0 {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server hung up"));
            }
        }
        Ok(())
    }
}

impl Stream {
    async fn read(&mut self, into: &mut Vec<u8>) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read_buf(into).await,
            Self::Encrypted(stream) => stream.read_buf(into).await,
        }
    }

    async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.write_all(bytes).await,
            Self::Encrypted(stream) => {
                stream.write_all(bytes).await?;
                stream.flush().await
            }
        }
    }

    async fn end(&mut self) -> io::Result<()> {
        match self {
            // Dropping it is as good.
            Self::Plain(_) => Ok(()),
            Self::Encrypted(stream) => stream.shutdown().await,
        }
    }
}
