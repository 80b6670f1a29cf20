//! The form in which the files beside this one list their actions.

/// Lists actions: the name on the wire, where it belongs, the schema's version, the field of `SyncActionValue`; then the
/// elements of the index, and the fields of the value by their names in the protobuf. With `whole`, the content is kept
/// as its encoded protobuf.
macro_rules! actions {
    (
        $(#[$meta:meta])*
        $name:ident;
        $(
            $(#[$doc:meta])*
            $variant:ident = $action:literal, $collection:ident, $version:literal $(, $proto:ident)?;
            ($($(#[$part_doc:meta])* $part:ident: $part_type:ty),* $(,)?)
            {$($(#[$field_doc:meta])* $field:ident: $field_type:ty = $proto_field:ident),* $(,)?}
            $(; whole $whole:ident)?
        )*
    ) => {
        $(#[$meta])*
        #[derive(Clone, PartialEq)]
        #[non_exhaustive]
        pub enum $name {
            $(
                $(#[$doc])*
                $variant {
                    $($(#[$part_doc])* $part: $part_type,)*
                    $($(#[$field_doc])* $field: $field_type,)*
                    $(
                        /// The content, as its encoded protobuf. Protocol: app state, "Action catalogue".
                        $whole: Vec<u8>,
                    )?
                },
            )*
        }

        impl $name {
            pub(super) fn read(
                name: &str,
                parts: &[String],
                value: &wa_proto::sync_action::SyncActionValue,
            ) -> Option<Self> {
                #[allow(unused_imports, reason = "not every list has fields, elements and content")]
                use super::field::{Field, Part};
                let mut parts = parts.iter().map(String::as_str);
                let _ = &mut parts;
                let _ = value;
                match name {
                    $(
                        $action => {
                            $(let $part = <$part_type as Part>::read(&mut parts)?;)*
                            $(let message = value.$proto.as_deref()?; let _ = message;)?
                            Some(Self::$variant {
                                $($part,)*
                                $($field: Field::read(&message.$proto_field),)*
                                $($whole: prost::Message::encode_to_vec(message),)?
                            })
                        }
                    )*
                    _ => None,
                }
            }

            pub(super) fn written(&self) -> super::Written {
                #[allow(unused_imports, reason = "not every list has fields, elements and content")]
                use super::field::{Field, Part, put_whole};
                let mut value = wa_proto::sync_action::SyncActionValue::default();
                match self {
                    $(
                        Self::$variant { $($part,)* $($field,)* $($whole,)? } => {
                            #[allow(unused_mut, reason = "not every action has more than its name")]
                            let mut index = vec![$action.to_owned()];
                            $(Part::write($part, &mut index);)*
                            $(let message = value.$proto.get_or_insert_default(); let _ = &message;)?
                            $(put_whole(message, $whole);)?
                            $(Field::write($field, &mut message.$proto_field);)*
                            super::Written {
                                collection: crate::app_state::Collection::$collection,
                                version: $version,
                                index,
                                value,
                            }
                        }
                    )*
                }
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                let name = match self {
                    $(Self::$variant { .. } => stringify!($variant),)*
                };
                f.debug_struct(name).finish_non_exhaustive()
            }
        }
    };
}
pub(super) use actions;
