//! Enums whose variants have names in metrics, API and options.

/// Defines an enum of unit variants with `ALL`, in the order of the discriminants, `name` and `from_name`. A function at its
/// beginning gets a value for each variant: `Variant = "name": value`.
macro_rules! named_enum {
    (
        $(#[$meta:meta])*
        $visibility:vis enum $Enum:ident { $( $(#[$variant_meta:meta])* $Variant:ident = $name:literal, )+ }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        $visibility enum $Enum { $( $(#[$variant_meta])* $Variant, )+ }

        impl $Enum {
            $visibility const ALL: [Self; [$($name),+].len()] = [$(Self::$Variant),+];

            $visibility fn name(self) -> &'static str {
                match self { $(Self::$Variant => $name,)+ }
            }

            $visibility fn from_name(name: &str) -> Option<Self> {
                Self::ALL.into_iter().find(|known| known.name() == name)
            }
        }
    };
    (
        $(#[$meta:meta])*
        $visibility:vis enum $Enum:ident {
            $(#[$function_meta:meta])*
            $function_visibility:vis fn $function:ident() -> $Value:ty;
            $( $(#[$variant_meta:meta])* $Variant:ident = $name:literal: $value:expr, )+
        }
    ) => {
        named_enum! { $(#[$meta])* $visibility enum $Enum { $( $(#[$variant_meta])* $Variant = $name, )+ } }

        impl $Enum {
            $(#[$function_meta])*
            $function_visibility fn $function(self) -> $Value {
                match self { $(Self::$Variant => $value,)+ }
            }
        }
    };
}

pub(crate) use named_enum;

#[cfg(test)]
mod tests {
    named_enum! {
        enum Letter {
            A = "a",
            B = "b",
        }
    }

    #[test]
    fn variants_are_found_by_name_and_listed_in_order() {
        assert_eq!(Letter::from_name("b"), Some(Letter::B));
        assert_eq!(Letter::from_name("c"), None);
        assert_eq!(Letter::ALL.map(|letter| letter as usize), [0, 1]);
    }
}
