package Setting;

# The recipe's settings and secrets.

use strict;
use warnings;

sub text {
    my ( $name, $default ) = @_;
    my $value = $ENV{$name} // '';
    return length $value ? $value : $default;
}

# One of a few words, the first where there is none.
sub word {
    my ( $name, @words ) = @_;
    my $value = text( $name, $words[0] );
    die "$name is one of @words, not $value\n" unless grep { $_ eq $value } @words;
    return $value;
}

# Without the line end that editors put there.
sub secret {
    my ($name) = @_;
    open my $handle, '<:raw:encoding(UTF-8)', "/run/secrets/$name"
      or die "the secret $name cannot be read: $!\n";
    my $text = do { local $/; <$handle> } // '';
    $text =~ s/^\s+|\s+$//g;
    return length $text ? $text : die "the secret $name is empty\n";
}

# What is asked of every client. LemonLDAP::NG checks the proof of PKCE of those alone that have
# to give it.
sub demands {
    my ($public) = @_;
    return (
        oidcRPMetaDataOptionsRequirePKCE => $public
          || word( 'PKCE', 'optional', 'required' ) eq 'required' ? 1 : 0,
        oidcRPMetaDataOptionsBypassConsent => word( 'CONSENT', 'ask', 'implied' ) eq 'implied' ? 1 : 0,
    );
}

1;
