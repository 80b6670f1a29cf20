//! Which certificates are trusted beneath WebSocket and HTTP. The server proves itself once more inside, to `noise`.

use std::fmt;
use std::io;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// The root certificates that a TLS connection trusts.
#[derive(Clone)]
pub struct TlsRoots {
    store: RootCertStore,
}

impl TlsRoots {
    /// Mozilla's: right for the live service.
    #[must_use]
    pub fn mozilla() -> Self {
        Self { store: RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() } }
    }

    /// None yet; for own roots alone.
    #[must_use]
    pub fn none() -> Self {
        Self { store: RootCertStore::empty() }
    }

    /// Trusts this certificate (DER), and those that it issued, as well.
    ///
    /// # Errors
    /// [`CertificateError`].
    pub fn with_certificate(mut self, certificate: &[u8]) -> Result<Self, CertificateError> {
        self.store.add(CertificateDer::from(certificate.to_vec())).map_err(|_| CertificateError)?;
        Ok(self)
    }

    /// Trusts all certificates of a PEM text as well.
    ///
    /// # Errors
    /// [`CertificateError`], also when there is none in it.
    pub fn with_pem(self, text: &[u8]) -> Result<Self, CertificateError> {
        let mut certificates = CertificateDer::pem_slice_iter(text).peekable();
        if certificates.peek().is_none() {
            return Err(CertificateError);
        }
        certificates.try_fold(self, |roots, certificate| {
            roots.with_certificate(&certificate.map_err(|_| CertificateError)?)
        })
    }

    pub(super) fn connector(&self) -> Tls {
        let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider has the usual versions")
            .with_root_certificates(self.store.clone())
            .with_no_client_auth();
        Tls(TlsConnector::from(Arc::new(config)))
    }
}

impl Default for TlsRoots {
    fn default() -> Self {
        Self::mozilla()
    }
}

impl fmt::Debug for TlsRoots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TlsRoots({})", self.store.len())
    }
}

/// The certificate cannot be read, or cannot be a root.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the certificate is malformed")]
pub struct CertificateError;

/// Makes TLS connections.
#[derive(Clone)]
pub(super) struct Tls(TlsConnector);

impl Tls {
    pub(super) async fn connect(&self, host: &str, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        self.0.connect(name, stream).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pem_text_without_certificates_is_no_root() {
        for text in [
            "",
            "-----BEGIN CERTIFICATE-----",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        ] {
            assert_eq!(TlsRoots::none().with_pem(text.as_bytes()).err(), Some(CertificateError), "{text}");
        }
    }
}
