//! The client's side of the `MySQL` protocol, as far as a sample needs it: greeting, TLS, login, one query for one row,
//! `COM_QUIT`. No bytes that a server sends can do more than fail the sample.

use tokio::net::TcpStream;

use super::{
    authentication::{Plugin, Salt},
    encryption::Encryption,
    failure::ConversationError,
    messages::{
        CLIENT_DEPRECATE_EOF, CLIENT_LONG_PASSWORD, CLIENT_PLUGIN_AUTH, CLIENT_PROTOCOL_41, CLIENT_SECURE_CONNECTION,
        CLIENT_SSL, CLIENT_TRANSACTIONS, Fields, Greeting, fields, refusal, switch,
    },
    packets::{PACKET_BYTES_MAX, Packets},
    rsa,
};

/// What is used of what a server can do. Files of the client and several statements at once are not.
const USED: u32 = CLIENT_LONG_PASSWORD
    | CLIENT_PROTOCOL_41
    | CLIENT_TRANSACTIONS
    | CLIENT_SECURE_CONNECTION
    | CLIENT_PLUGIN_AUTH
    | CLIENT_DEPRECATE_EOF;

/// `utf8mb4_general_ci`, which `MariaDB` has too.
const COLLATION: u8 = 45;

const COM_QUERY: u8 = 0x03;

/// First bytes of a server's packets; which of them can come depends on what came before.
const OK: u8 = 0x00;
const MORE: u8 = 0x01;
const SWITCH: u8 = 0xfe;
const END: u8 = 0xfe;
const ERROR: u8 = 0xff;

/// A connection that is logged in.
#[derive(Debug)]
pub(super) struct Connection {
    packets: Packets,
    /// Whether the definitions of a result's columns end without a packet that says so.
    deprecates_eof: bool,
}

/// What a login needs.
#[derive(Clone, Copy)]
pub(super) struct Account<'a> {
    pub(super) user: &'a str,
    /// Empty for none.
    pub(super) password: &'a str,
}

impl Connection {
    /// Logs in at the server that `stream` is connected to.
    pub(super) async fn log_in(
        stream: TcpStream,
        encryption: Option<&Encryption>,
        account: Account<'_>,
    ) -> Result<Self, ConversationError> {
        let address = stream.peer_addr()?.ip();
        let mut packets = Packets::over(stream);
        let greeting = match packets.receive().await? {
            [ERROR, error @ ..] => return Err(refusal(error)),
            packet => Greeting::read(packet)?,
        };
        if let Some(encryption) = encryption {
            if greeting.capabilities & CLIENT_SSL == 0 {
                return Err(ConversationError::NoTls);
            }
            packets.send(&[&login_start(greeting, CLIENT_SSL)]).await?;
            packets = packets.encrypted(|stream| encryption.encrypt(stream, address)).await?;
        }
        authenticate(&mut packets, greeting, account).await?;
        Ok(Self { packets, deprecates_eof: greeting.capabilities & CLIENT_DEPRECATE_EOF != 0 })
    }

    /// The first row that `query` returns; `None` if it returns none.
    pub(super) async fn first_row(&mut self, query: &str) -> Result<Option<Fields>, ConversationError> {
        let packets = &mut self.packets;
        packets.begin();
        packets.send(&[&[COM_QUERY], query.as_bytes()]).await?;
        let columns = match *packets.receive().await? {
            [ERROR, ref error @ ..] => return Err(refusal(error)),
            [OK, ..] => return Ok(None),
            // Greater numbers have another first byte, and so has a server's wish for a file of the client.
            [columns @ 1..=250] => usize::from(columns),
            _ => return Err(ConversationError::Protocol("the answer to the query is no result")),
        };
        for _ in 0..columns {
            match packets.receive().await? {
                // Every definition begins with the catalog, which is always this.
                [3, b'd', b'e', b'f', ..] => {}
                [ERROR, error @ ..] => return Err(refusal(error)),
                _ => return Err(ConversationError::Protocol("the definition of a column is none")),
            }
        }
        if !self.deprecates_eof {
            match packets.receive().await? {
                [END, ..] => {}
                [ERROR, error @ ..] => return Err(refusal(error)),
                _ => return Err(ConversationError::Protocol("the definitions of the columns do not end")),
            }
        }
        let mut first = None;
        loop {
            match packets.receive().await? {
                [ERROR, error @ ..] => return Err(refusal(error)),
                // A row that begins with this byte begins with a field longer than any packet may be.
                [END, ..] => return Ok(first),
                row if first.is_none() => {
                    let row = fields(row, columns);
                    first = Some(row.ok_or(ConversationError::Protocol("a row does not fit its columns"))?);
                }
                _ => {}
            }
        }
    }

    /// Says goodbye and hangs up.
    pub(super) async fn quit(self) -> Result<(), ConversationError> {
        self.packets.quit().await
    }
}

/// What a login and the request for TLS begin with.
fn login_start(greeting: Greeting, further: u32) -> [u8; 32] {
    let mut start = [0; 32];
    start[..4].copy_from_slice(&(greeting.capabilities & USED | further).to_le_bytes());
    start[4..8].copy_from_slice(&u32::try_from(PACKET_BYTES_MAX).unwrap_or(u32::MAX).to_le_bytes());
    start[8] = COLLATION;
    start
}

async fn authenticate(
    packets: &mut Packets,
    greeting: Greeting,
    account: Account<'_>,
) -> Result<(), ConversationError> {
    let further = if packets.is_encrypted() { CLIENT_SSL } else { 0 };
    // An account's own plugin may be another one than the server's; then the server asks for it.
    let mut plugin = greeting.plugin.unwrap_or(Plugin::CachingSha2);
    let mut salt = greeting.salt;
    let proof = plugin.proof(&salt, account.password);
    // No proof is longer than a byte can say.
    let proof_bytes = [u8::try_from(proof.len()).unwrap_or_default()];
    let start = login_start(greeting, further);
    packets.send(&[&start, account.user.as_bytes(), &[0], &proof_bytes, &proof, plugin.name(), &[0]]).await?;
    let mut switched = false;
    loop {
        match packets.receive().await? {
            [OK, ..] => return Ok(()),
            [ERROR, error @ ..] => return Err(refusal(error)),
            [SWITCH, to @ ..] if !switched => {
                (plugin, salt) = switch(to)?;
                switched = true;
                packets.send(&[&plugin.proof(&salt, account.password)]).await?;
            }
            // The server knows the password from before.
            [MORE, 3] if plugin == Plugin::CachingSha2 => return welcome(packets).await,
            // It does not, and wants to have it.
            [MORE, 4] if plugin == Plugin::CachingSha2 => return show_password(packets, &salt, account).await,
            _ => return Err(ConversationError::OUT_OF_PLACE),
        }
    }
}

/// `caching_sha2_password` where the server has not seen the account since it was started: it gets the password, which
/// TLS hides from all others, or else the server's RSA key.
async fn show_password(packets: &mut Packets, salt: &Salt, account: Account<'_>) -> Result<(), ConversationError> {
    if packets.is_encrypted() {
        packets.send(&[account.password.as_bytes(), &[0]]).await?;
    } else {
        const REQUEST_KEY: u8 = 0x02;
        packets.send(&[&[REQUEST_KEY]]).await?;
        let encrypted = match packets.receive().await? {
            [MORE, key @ ..] => rsa::encrypt(account.password, salt, key)?,
            [ERROR, error @ ..] => return Err(refusal(error)),
            _ => return Err(ConversationError::OUT_OF_PLACE),
        };
        packets.send(&[&encrypted]).await?;
    }
    welcome(packets).await
}

/// The end of a login after which nothing else may come.
async fn welcome(packets: &mut Packets) -> Result<(), ConversationError> {
    match packets.receive().await? {
        [OK, ..] => Ok(()),
        [ERROR, error @ ..] => Err(refusal(error)),
        _ => Err(ConversationError::OUT_OF_PLACE),
    }
}
