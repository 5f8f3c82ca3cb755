package Keys;

# The key that tokens are signed with, RS256.

use strict;
use warnings;

use Crypt::OpenSSL::RSA;
use Crypt::URandom qw(urandom);
use MIME::Base64 qw(encode_base64url);

sub random { return encode_base64url( urandom(24) ) }

# LemonLDAP::NG publishes one key: tokens that the last one signed are not valid any more.
sub renew {
    my ($conf) = @_;
    my $key = Crypt::OpenSSL::RSA->generate_key(2048);
    $conf->{oidcServicePrivateKeySig} = $key->get_private_key_string;
    $conf->{oidcServicePublicKeySig}  = $key->get_public_key_x509_string;
    $conf->{oidcServiceKeyIdSig}      = encode_base64url( urandom(8) );
    return;
}

1;
