//! What businesses tell of themselves. Protocol: IQ catalogue, "Business".
//!
//! | File | Subject |
//! |---|---|
//! | `verified_name` | the certificate with a business's name |
//! | `profile` | address, hours, categories: read and edited |
//! | `catalog` | products and collections |
//! | `order` | what somebody ordered |
//! | `link` | short links to chats and contacts |

pub mod catalog;
pub mod link;
pub mod order;
pub mod profile;
pub mod verified_name;

pub use verified_name::VerifiedName;
