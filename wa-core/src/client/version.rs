//! Which release the live service is at: the server refuses clients that say they are an old one.
//! Protocol: transport, "Application version".
