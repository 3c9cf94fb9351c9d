//! TLS by the server's own certificate files.
//!
//! What is wrong with the files is said when the server starts, as a sentence, and not by the first phone that cannot
//! connect. They are read again on demand: a renewed certificate needs no restart, and one that does not fit leaves the
//! old one in place. Who issues and renews certificates is not decided here.

mod validity;

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use sync_core::time::Timestamp;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        self, InconsistentKeys, ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject},
    },
};

use self::validity::Validity;
use crate::{config::TlsFiles, seam::Seam};

/// Why the files cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// Missing, or not to be read by this user.
    #[error("{file} cannot be read: {source}; check the path and who may read it")]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// Nothing of what should be in it is.
    #[error("there is no {what} in {file}; it must be PEM, as certificate authorities hand it out")]
    Empty {
        /// The file.
        file: PathBuf,
        /// What should be there.
        what: &'static str,
    },
    /// They do not belong together.
    #[error(
        "the key in {key} does not belong to the first certificate in {certificate}; give the two that were issued together"
    )]
    Mismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// It is over.
    #[error("the certificate in {file} ended on {until}; renew it")]
    Expired {
        /// The certificate's file.
        file: PathBuf,
        /// When.
        until: String,
    },
    /// It has not begun.
    #[error("the certificate in {file} begins on {from}; check the clock of this machine")]
    NotYet {
        /// The certificate's file.
        file: PathBuf,
        /// When.
        from: String,
    },
    /// Something else.
    #[error("the certificate in {file} cannot be used: {reason}")]
    Unfit {
        /// The certificate's file.
        file: PathBuf,
        /// Why.
        reason: String,
    },
}

/// The certificate in use.
pub struct Tls {
    files: TlsFiles,
    seam: Seam,
    in_use: RwLock<Arc<ServerConfig>>,
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn load(files: TlsFiles, seam: Seam) -> Result<Self, TlsError> {
        let in_use = RwLock::new(read(&files, seam.now())?);
        Ok(Self { files, seam, in_use })
    }

    /// Reads the files again. Connections that are open keep what they began with.
    ///
    /// # Errors
    /// [`TlsError`]; what was in use stays in use.
    pub fn reload(&self) -> Result<(), TlsError> {
        let fresh = read(&self.files, self.seam.now())?;
        *self.in_use.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }

    /// What greets the next connection.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        let in_use = self.in_use.read().unwrap_or_else(PoisonError::into_inner);
        TlsAcceptor::from(in_use.clone())
    }
}

fn read(files: &TlsFiles, now: Timestamp) -> Result<Arc<ServerConfig>, TlsError> {
    let chain = read_chain(&files.certificate)?;
    let key = read_key(&files.key)?;
    let validity = check_dates(&files.certificate, &chain[0], now)?;
    let unfit = |error: rustls::Error| match error {
        rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => TlsError::Mismatch {
            certificate: files.certificate.clone(),
            key: files.key.clone(),
        },
        other => TlsError::Unfit {
            file: files.certificate.clone(),
            reason: other.to_string(),
        },
    };
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(unfit)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(unfit)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    metrics::gauge!("tls_certificate_expires_seconds").set(validity.until_ms as f64 / 1000.0);
    Ok(Arc::new(config))
}

fn read_chain(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let empty = || TlsError::Empty {
        file: file.to_owned(),
        what: "certificate",
    };
    let found = CertificateDer::pem_file_iter(file).map_err(|error| unreadable(file, error, empty()))?;
    let chain = found
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| unreadable(file, error, empty()))?;
    if chain.is_empty() { Err(empty()) } else { Ok(chain) }
}

fn read_key(file: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let empty = TlsError::Empty {
        file: file.to_owned(),
        what: "private key",
    };
    PrivateKeyDer::from_pem_file(file).map_err(|error| unreadable(file, error, empty))
}

fn unreadable(file: &Path, error: pem::Error, otherwise: TlsError) -> TlsError {
    match error {
        pem::Error::Io(source) => TlsError::Unreadable {
            file: file.to_owned(),
            source,
        },
        _ => otherwise,
    }
}

fn check_dates(file: &Path, certificate: &CertificateDer<'_>, now: Timestamp) -> Result<Validity, TlsError> {
    let validity = Validity::of(certificate).ok_or_else(|| TlsError::Unfit {
        file: file.to_owned(),
        reason: "it does not say from when to when it is valid".to_owned(),
    })?;
    if now.0 > validity.until_ms {
        return Err(TlsError::Expired {
            file: file.to_owned(),
            until: day(validity.until_ms),
        });
    }
    if now.0 < validity.from_ms {
        return Err(TlsError::NotYet {
            file: file.to_owned(),
            from: day(validity.from_ms),
        });
    }
    Ok(validity)
}

fn day(ms: i64) -> String {
    let instant = jiff::Timestamp::from_millisecond(ms).unwrap_or_default();
    instant.strftime("%Y-%m-%d").to_string()
}
