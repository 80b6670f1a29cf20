//! The test server as a program: prints where it listens and what to trust, and runs until it is killed.

use std::io::Write as _;
use std::process::ExitCode;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use wa_test_server::{Config, Endpoint, MediaEndpoint, TestServer};

#[tokio::main]
async fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(problem) => {
            report(&format!("{problem}\n{USAGE}"));
            return ExitCode::from(2);
        }
    };
    if options.help {
        return if say(USAGE) { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "warn".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();

    let server = TestServer::with(options.config).await;
    let endpoint = match server.listen_with_admin(&options.listen, options.tls).await {
        Ok(endpoint) => endpoint,
        Err(error) => {
            report(&format!("cannot listen on {}: {error}", options.listen));
            return ExitCode::FAILURE;
        }
    };
    let media = match server.media().listen(&endpoint.address.ip().to_string()).await {
        Ok(media) => media,
        Err(error) => {
            report(&format!("cannot listen for media: {error}"));
            return ExitCode::FAILURE;
        }
    };
    if !say(&describe(&endpoint, &media, options.json)) {
        return ExitCode::FAILURE;
    }
    if let Err(error) = tokio::signal::ctrl_c().await {
        report(&format!("no signals: {error}"));
        std::future::pending::<()>().await;
    }
    ExitCode::SUCCESS
}

struct Options {
    listen: String,
    tls: bool,
    json: bool,
    help: bool,
    config: Config,
}

impl Options {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self {
            listen: "127.0.0.1:0".to_owned(),
            tls: false,
            json: false,
            help: false,
            config: Config { journal: 0, ref_lists: 10, ..Config::default() },
        };
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--listen" => options.listen = arguments.next().ok_or("--listen needs an address")?,
                "--tls" => options.tls = true,
                "--json" => options.json = true,
                "--help" | "-h" => options.help = true,
                other => return Err(format!("unknown argument {other}")),
            }
        }
        Ok(options)
    }
}

fn describe(endpoint: &Endpoint, media: &MediaEndpoint, as_json: bool) -> String {
    let root: String = endpoint.root.public_key.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let certificate = endpoint.tls_certificate.as_deref().map(pem);
    if as_json {
        let mut line = json!({
            "url": endpoint.url,
            "root_key": root,
            "admin": endpoint.admin_url,
            "media_hosts": media.hosts,
            "media_certificate": pem(&media.tls_certificate),
        });
        if let (Some(object), Some(certificate)) = (line.as_object_mut(), certificate) {
            object.insert("tls_certificate".to_owned(), certificate.into());
        }
        return line.to_string();
    }
    let lines = format!(
        "url       {}\nroot key  {root}\nadmin     {}\nmedia     {}",
        endpoint.url,
        endpoint.admin_url.as_deref().unwrap_or_default(),
        media.hosts.join(" ")
    );
    certificate.map_or_else(|| lines.clone(), |certificate| format!("{lines}\n{}", certificate.trim_end()))
}

fn pem(der: &[u8]) -> String {
    let encoded = STANDARD.encode(der);
    let lines = encoded.as_bytes().chunks(64).map(String::from_utf8_lossy).collect::<Vec<_>>().join("\n");
    format!("-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n")
}

/// Whoever started us may read a pipe: every line goes out at once. `false` when nobody reads any more.
fn say(text: &str) -> bool {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).is_ok()
}

fn report(text: &str) {
    let _nobody_reads = writeln!(std::io::stderr(), "wa-test-server: {text}");
}

const USAGE: &str = "usage: wa-test-server [--listen ADDRESS] [--tls] [--json]

  --listen ADDRESS  where to listen, 127.0.0.1:0 by default
  --tls             with a self-signed certificate, made now
  --json            one JSON line instead of text
";
