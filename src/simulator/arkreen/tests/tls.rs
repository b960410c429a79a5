//! The simulated endpoint with TLS and its own certificate authority, for tests of certificates that must be refused.

use std::io;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::server::TlsStream;

use crate::simulator::arkreen::Arkreen;
use crate::simulator::arkreen::server::Handshake;
use crate::units::ClientId;

impl Handshake for TlsAcceptor {
    type Stream = TlsStream<TcpStream>;

    async fn complete(&self, stream: TcpStream) -> io::Result<Self::Stream> {
        self.accept(stream).await
    }
}

/// What the server's certificate says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TestCertificate {
    pub(crate) name: &'static str,
    pub(crate) until_year: i32,
}

impl Arkreen {
    /// As [`Arkreen::start`], at `https://localhost`; gives the authority's certificate as PEM as well.
    pub(crate) fn start_tls(
        token: &str,
        clients: impl IntoIterator<Item = ClientId>,
        certificate: TestCertificate,
    ) -> (Self, String) {
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        // Two authorities with the same name would differ in their keys only.
        let name = format!("authority {:x}", rand::random::<u64>());
        authority.distinguished_name.push(DnType::CommonName, name);
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
        let mut leaf = CertificateParams::new(vec![certificate.name.to_owned()]).unwrap();
        leaf.not_before = date_time_ymd(2000, 1, 1);
        leaf.not_after = date_time_ymd(certificate.until_year, 1, 1);
        let key = KeyPair::generate().unwrap();
        let leaf = leaf.signed_by(&key, &authority).unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = builder.with_no_client_auth().with_single_cert(vec![leaf.der().clone()], key).unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let arkreen = Self::listen(token, clients, "https", acceptor).unwrap();
        (arkreen, authority.pem())
    }
}
