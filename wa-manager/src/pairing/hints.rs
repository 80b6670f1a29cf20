//! What people are told: how a phone links, and what may help when it does not. Texts only; nothing of it is done by the
//! library. Requirements: manager.md, R021, R045.

use super::error::PairError;
use super::policy::PairingMethod;

/// A language of the texts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Lang {
    /// English.
    #[default]
    En,
    /// Indonesian.
    Id,
}

/// A text in both languages.
struct Text {
    en: &'static str,
    id: &'static str,
}

impl Text {
    const fn of(&self, lang: Lang) -> &'static str {
        match lang {
            Lang::En => self.en,
            Lang::Id => self.id,
        }
    }
}

impl PairError {
    /// What may help, in the order in which it is tried. Empty when nothing is to be done.
    #[must_use]
    pub fn hints(&self, lang: Lang) -> Vec<&'static str> {
        let texts: &[Text] = match self {
            Self::UnstableLink { .. } => &RECOVERY,
            Self::RateLimited { .. } => &WAIT,
            Self::Rejected { code: 452, .. } | Self::Passkey => &USE_QR,
            Self::Rejected { code: 400 | 429, .. } => &THROTTLED,
            Self::Rejected { .. } => &REFUSED,
            Self::CodeOutstanding { .. } => &OUTSTANDING,
            Self::Expired | Self::Exhausted => &EXPIRED,
            Self::AlreadyLinked { .. } => &LINKED,
            Self::AlreadyPairing => &PAIRING,
            Self::ConnectTimeout | Self::Closed { .. } => &CONNECTION,
            Self::PhoneMissing => &PHONE,
            Self::StoreUnavailable => &OPERATOR,
            Self::Cancelled | Self::NotPairing => &[],
        };
        texts.iter().map(|text| text.of(lang)).collect()
    }
}

impl PairingMethod {
    /// What the user of the phone does, in this order.
    #[must_use]
    pub fn instructions(self, lang: Lang) -> Vec<&'static str> {
        let last: &[Text] = match self {
            Self::Qr => &[SCAN],
            Self::Code => &CODE,
            Self::Both => &EITHER,
        };
        MENU.iter().chain(last).map(|text| text.of(lang)).collect()
    }
}

const MENU: [Text; 3] = [
    Text { en: "Open WhatsApp on the phone.", id: "Buka WhatsApp di ponsel." },
    Text { en: "Open Linked devices.", id: "Buka Perangkat tertaut." },
    Text { en: "Tap Link a device.", id: "Ketuk Tautkan perangkat." },
];

const SCAN: Text = Text { en: "Scan the QR code.", id: "Pindai kode QR." };

const CODE: [Text; 2] = [
    Text { en: "Tap Link with phone number instead.", id: "Ketuk Tautkan dengan nomor telepon saja." },
    Text { en: "Enter the code.", id: "Masukkan kode." },
];

const EITHER: [Text; 1] = [Text {
    en: "Scan the QR code, or tap Link with phone number instead and enter the code.",
    id: "Pindai kode QR, atau ketuk Tautkan dengan nomor telepon saja lalu masukkan kode.",
}];

const RECOVERY: [Text; 6] = [
    Text { en: "Clear the cache of WhatsApp on the phone.", id: "Hapus cache aplikasi WhatsApp di ponsel." },
    Text {
        en: "Unlink all devices in the phone's list of linked devices.",
        id: "Keluarkan semua perangkat dari daftar perangkat tertaut di ponsel.",
    },
    Text { en: "Restart the phone.", id: "Mulai ulang ponsel." },
    Text {
        en: "Wait, 24 to 48 hours after several failures, and try again.",
        id: "Tunggu, 24 sampai 48 jam setelah beberapa kegagalan, lalu coba lagi.",
    },
    Text {
        en: "If it still fails, contact WhatsApp's support from the phone.",
        id: "Jika masih gagal, hubungi dukungan WhatsApp dari ponsel.",
    },
    Text { en: "Otherwise use another number.", id: "Jika tidak, gunakan nomor lain." },
];

const WAIT: [Text; 1] = [Text {
    en: "Wait until the time that is named. Trying sooner makes the wait longer.",
    id: "Tunggu sampai waktu yang disebutkan. Mencoba lebih cepat memperpanjang waktu tunggu.",
}];

const THROTTLED: [Text; 2] = [
    Text {
        en: "Check the number, with its country code and without a plus sign.",
        id: "Periksa nomor, dengan kode negara dan tanpa tanda plus.",
    },
    Text {
        en: "If it is right, it was tried too often: wait, or scan a QR code.",
        id: "Jika benar, nomor ini terlalu sering dicoba: tunggu, atau pindai kode QR.",
    },
];

const USE_QR: [Text; 1] = [Text {
    en: "This account cannot be linked so. Scan the QR code.",
    id: "Akun ini tidak dapat ditautkan dengan cara ini. Pindai kode QR.",
}];

const REFUSED: [Text; 1] = [Text {
    en: "Open WhatsApp on the phone and look for a notice about the account.",
    id: "Buka WhatsApp di ponsel dan lihat apakah ada pemberitahuan tentang akun.",
}];

const OUTSTANDING: [Text; 1] = [Text {
    en: "Enter the code that is shown, or wait until it has expired.",
    id: "Masukkan kode yang ditampilkan, atau tunggu sampai kedaluwarsa.",
}];

const EXPIRED: [Text; 1] = [Text {
    en: "Take the phone at hand, and ask for a new code.",
    id: "Siapkan ponsel, lalu minta kode baru.",
}];

const LINKED: [Text; 1] = [Text {
    en: "The number is linked here already. Log that account out first.",
    id: "Nomor ini sudah tertaut di sini. Keluarkan akun itu lebih dahulu.",
}];

const PAIRING: [Text; 1] = [Text {
    en: "Another attempt is under way. Finish it, or cancel it.",
    id: "Percobaan lain sedang berlangsung. Selesaikan atau batalkan.",
}];

const CONNECTION: [Text; 1] = [Text {
    en: "Check the network of the server and of the phone, and try again.",
    id: "Periksa jaringan server dan ponsel, lalu coba lagi.",
}];

const PHONE: [Text; 1] = [Text {
    en: "Enter the number: digits with the country code, such as 628123456789.",
    id: "Masukkan nomor: angka dengan kode negara, seperti 628123456789.",
}];

const OPERATOR: [Text; 1] =
    [Text { en: "Tell whoever runs this service.", id: "Beri tahu pengelola layanan ini." }];

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    // R021
    #[test]
    fn an_unstable_link_comes_with_what_may_help() {
        let error = PairError::UnstableLink { retry_after: Some(Duration::from_secs(86_400)) };
        let hints = error.hints(Lang::En);
        let places = ["cache", "Unlink all", "Restart", "24 to 48 hours", "support", "another number"];
        for (hint, part) in hints.iter().zip(places) {
            assert!(hint.contains(part), "{hint}");
        }
        let translated = error.hints(Lang::Id);
        assert_eq!((hints.len(), translated.len()), (6, 6));
        assert!(hints.iter().zip(&translated).all(|(en, id)| en != id));
    }

    // R045
    #[test]
    fn the_way_through_the_phones_menus_is_told_in_both_languages() {
        let told = PairingMethod::Code.instructions(Lang::En).join(" ");
        let order = ["Linked devices", "Link a device", "Link with phone number instead", "Enter the code"];
        let places: Vec<usize> = order.iter().map(|part| told.find(part).unwrap()).collect();
        assert!(places.is_sorted());
        let told = PairingMethod::Code.instructions(Lang::Id).join(" ");
        assert!(told.contains("Perangkat tertaut") && told.contains("Masukkan kode"));
        assert!(PairingMethod::Both.instructions(Lang::Id).join(" ").contains("kode QR"));
    }
}
