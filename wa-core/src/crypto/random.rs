//! Where random bytes come from.

/// A source of random bytes. The pure core is handed one with each step that draws keys or padding: the operating
/// system's in life ([`SystemRandom`]), a seeded one in tests.
pub trait Random {
    /// Fills `bytes` with random bytes.
    fn fill(&mut self, bytes: &mut [u8]);

    /// An array of random bytes.
    fn array<const N: usize>(&mut self) -> [u8; N]
    where
        Self: Sized,
    {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }
}

/// The operating system's secure source.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    #[expect(clippy::disallowed_methods, reason = "the one place that asks the operating system")]
    fn fill(&mut self, bytes: &mut [u8]) {
        // Fails only when the operating system has no random source at all; going on without one would be worse.
        aws_lc_rs::rand::fill(bytes).expect("the operating system gives random bytes");
    }
}

impl<R: Random + ?Sized> Random for &mut R {
    fn fill(&mut self, bytes: &mut [u8]) {
        (**self).fill(bytes);
    }
}
