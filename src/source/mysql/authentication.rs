//! How an account proves that it knows its password, by the two plugins that `MySQL` and `MariaDB` have by default.

use ring::digest::{Algorithm, Context, Digest, SHA1_FOR_LEGACY_USE_ONLY as SHA1, SHA256};

pub(super) const SALT_BYTES: usize = 20;

/// What a server sends to be hashed with the password.
pub(super) type Salt = [u8; SALT_BYTES];

/// An authentication plugin. Plugins that send the password itself are not here, so no server can ask for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plugin {
    /// `MySQL`'s, since 8.0.
    CachingSha2,
    /// `MariaDB`'s, and `MySQL`'s before.
    Native,
}

impl Plugin {
    pub(super) fn of(name: &[u8]) -> Option<Self> {
        [Self::CachingSha2, Self::Native].into_iter().find(|plugin| plugin.name() == name)
    }

    pub(super) fn name(self) -> &'static [u8] {
        match self {
            Self::CachingSha2 => b"caching_sha2_password",
            Self::Native => b"mysql_native_password",
        }
    }

    /// What proves the password without showing it, at most 32 bytes; nothing for no password.
    pub(super) fn proof(self, salt: &Salt, password: &str) -> Vec<u8> {
        if password.is_empty() {
            return Vec::new();
        }
        let password = password.as_bytes();
        match self {
            // H(password) XOR H(H(H(password)), salt)
            Self::CachingSha2 => {
                let once = hash(&SHA256, &[password]);
                let twice = hash(&SHA256, &[once.as_ref()]);
                xor(once.as_ref(), hash(&SHA256, &[twice.as_ref(), salt]).as_ref())
            }
            // H(password) XOR H(salt, H(H(password)))
            Self::Native => {
                let once = hash(&SHA1, &[password]);
                let twice = hash(&SHA1, &[once.as_ref()]);
                xor(once.as_ref(), hash(&SHA1, &[salt, twice.as_ref()]).as_ref())
            }
        }
    }
}

/// As many bytes as the shorter one has.
pub(super) fn xor(a: &[u8], b: &[u8]) -> Vec<u8> {
    a.iter().zip(b).map(|(a, b)| a ^ b).collect()
}

fn hash(algorithm: &'static Algorithm, parts: &[&[u8]]) -> Digest {
    let mut context = Context::new(algorithm);
    for part in parts {
        context.update(part);
    }
    context.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against Python's hashlib.
    #[test]
    fn proofs_are_what_servers_compute() {
        let salt = std::array::from_fn(|index| 1 + u8::try_from(index).unwrap());
        let hex = |plugin: Plugin| {
            let bytes: Vec<String> =
                plugin.proof(&salt, "correct horse").iter().map(|byte| format!("{byte:02x}")).collect();
            bytes.concat()
        };
        assert_eq!(hex(Plugin::CachingSha2), "f16e4bdf1fbf64d96bba0a87b408b36ba19739c0313d446bba6b4165c13c40fc");
        assert_eq!(hex(Plugin::Native), "85cbaea93f89ea1664bbfdce6ce1af4f0f4a9f88");
        assert!(Plugin::Native.proof(&salt, "").is_empty());
    }
}
