#!/usr/bin/perl
# Reads a request from standard input and answers on standard output, both JSON: what
# potluck's plugin does with the provider's clients, which are relying parties in
# LemonLDAP::NG's words. Nothing secret is in an argument.
#
#   {"action": "register", "client": {"id", "name", "home", "redirect_uris", "post_logout_uris",
#    "scopes", "public"}, "generation": 0}
#                             makes the client or changes it, keeps its secret; answers
#                             {"issuer", "client": {"id", "secret"}, "done", "generation"}
#   {"action": "rotate", "client": …}     likewise, with another secret
#   {"action": "remove", "id": …}         answers {"done", "generation"}; no failure where there
#                             is none
#   {"action": "list"}                    all, without secrets
#   {"action": "rotate-key"}              another key for tokens
#
# A client's secret is derived from its id, the swarm's secret `client_key` and how often it
# was replaced, its generation. So a client that was lost, as the data is from an older
# backup, comes back with the secret that its app has; "generation" in a registration is
# the one that is known outside, where the data may be older than that.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use Configuration;
use Digest::SHA qw(hmac_sha256);
use JSON ();
use Keys;
use MIME::Base64 qw(encode_base64url);
use Setting;

umask 077;
my $json = JSON->new->utf8->canonical;

# What people know of themselves, by the scope that it is asked with.
my %SCOPES = map { $_ => 1 } qw(openid profile email groups offline_access);

my %CLAIMS = (
    name               => 'cn;string;never',
    preferred_username => 'uid;string;never',
    email              => 'email;string;never',
    email_verified     => 'email_verified;bool;never',
    groups             => 'group_list',
);

# A list also where there is one group, or none; the first address where there are several.
my %MACROS = (
    email      => '(split /; /, $mail)[0]',
    group_list => '[split /; /, $groups]',
);

my $GENERATIONS = "$Configuration::DATA/generations.json";

sub generations { return Configuration::read_json($GENERATIONS) // {} }

# A client's generation stays when the client goes.
sub generation {
    my ( $id, $count ) = @_;
    my $known = generations();
    return ( $known->{$id} // 0 ) + 0 unless defined $count;
    $known->{$id} = $count + 0;
    Configuration::write_json( $GENERATIONS, $known );
    return $count + 0;
}

# LemonLDAP::NG takes a secret from a Basic header only without `+` and `/` in its base64, which
# these letters never lead to.
sub derived {
    my ($id) = @_;
    return encode_base64url( hmac_sha256( $json->encode( [ $id, generation($id) ] ), Setting::secret('client_key') ) );
}

# The name in the configuration of the relying party with this client id.
sub party {
    my ( $conf, $id ) = @_;
    my $all = $conf->{oidcRPMetaDataOptions} // {};
    my ($name) = grep { ( $all->{$_}{oidcRPMetaDataOptionsClientID} // '' ) eq $id } sort keys %$all;
    return $name;
}

sub text {
    my ( $what, $value ) = @_;
    die "$what is missing or invalid\n" if ref $value || !length( $value // '' ) || $value =~ /[\r\n]/;
    return $value;
}

# LemonLDAP::NG's pages show names as they are, also with markup.
sub plain {
    my ( $what, $value ) = @_;
    my $plain = text( $what, $value ) =~ tr/<>"//dr;
    return text( $what, $plain );
}

# Where a link on the portal's page leads.
sub link_to {
    my ($uri) = @_;
    die "home is an invalid address\n" if ref $uri || $uri !~ m{^https?://[^\s<>"]+$};
    return $uri;
}

sub addresses {
    my ( $what, $list ) = @_;
    die "$what has to be a list\n" unless ref $list eq 'ARRAY';
    # LemonLDAP::NG separates them by spaces.
    for my $uri (@$list) {
        die "$what has an invalid address\n"
          if ref $uri
          || ( $uri // '' ) !~ /^[A-Za-z][A-Za-z0-9+.-]*:[\x21-\x7e]+$/
          || $uri =~ /^(?:javascript|data|vbscript):/i;
    }
    return join ' ', @$list;
}

sub client_id {
    my ($id) = @_;
    die "the client's id is missing or invalid\n"
      if ref $id || ( $id // '' ) !~ /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,198}[A-Za-z0-9])?$/;
    return $id;
}

sub scopes {
    my ($list) = @_;
    die "scopes has to be a list\n" unless ref $list eq 'ARRAY';
    for my $scope (@$list) {
        die "the scope $scope is unknown here: it has @{[ join ', ', sort keys %SCOPES ]}\n"
          unless $SCOPES{$scope};
    }
    return { map { $_ => 1 } @$list };
}

# What the request names replaces what was; ids, secrets and what operators added stay.
sub describe {
    my ( $conf, $name, $asked ) = @_;
    my $scopes = scopes( $asked->{scopes} );
    my $public = $asked->{public} ? 1 : 0;
    my $options = $conf->{oidcRPMetaDataOptions}{$name} //= {};
    %$options = (
        %$options,
        oidcRPMetaDataOptionsClientID     => $asked->{id},
        oidcRPMetaDataOptionsDisplayName  => plain( "the client's name", $asked->{name} ),
        oidcRPMetaDataOptionsRedirectUris => addresses( redirect_uris => $asked->{redirect_uris} ),
        oidcRPMetaDataOptionsPostLogoutRedirectUris =>
          addresses( post_logout_uris => $asked->{post_logout_uris} ),
        oidcRPMetaDataOptionsPublic         => $public,
        oidcRPMetaDataOptionsIDTokenSignAlg => 'RS256',
        # Many apps read groups in the id token only.
        oidcRPMetaDataOptionsIDTokenForceClaims => 1,
        oidcRPMetaDataOptionsUserIDAttr         => 'uid',
        oidcRPMetaDataOptionsAllowOffline       => $scopes->{offline_access} ? 1 : 0,
        Setting::demands($public),
    );
    delete $options->{oidcRPMetaDataOptionsClientSecret} if $public;
    my $into = sub {
        my ( $key, $more ) = @_;
        $conf->{$key}{$name} = { %{ $conf->{$key}{$name} // {} }, %$more };
    };
    $into->( oidcRPMetaDataExportedVars       => \%CLAIMS );
    $into->( oidcRPMetaDataOptionsExtraClaims => { groups => 'groups' } );
    $into->( oidcRPMetaDataMacros             => \%MACROS );
    # A scope of which the rule is false is not given, whoever asks for it.
    my $rules = $conf->{oidcRPMetaDataScopeRules}{$name} //= {};
    for my $scope ( sort keys %SCOPES ) {
        if ( !$scopes->{$scope} ) { $rules->{$scope} = '0' }
        # Without a rule, LemonLDAP::NG does not know this one.
        elsif ( $scope eq 'offline_access' ) { $rules->{$scope} = '$requested' }
        elsif ( ( $rules->{$scope} // '' ) eq '0' ) { delete $rules->{$scope} }
    }
    # The portal's page has the apps that a person may use.
    my $menu = $conf->{applicationList}{apps} //= { type => 'category', catname => 'Apps' };
    if ( defined $asked->{home} ) {
        $menu->{$name} = {
            type    => 'application',
            options => {
                name    => $options->{oidcRPMetaDataOptionsDisplayName},
                uri     => link_to( $asked->{home} ),
                display => "sp:$name",
            },
        };
    }
    else { delete $menu->{$name} }
    return;
}

sub started {
    my ($conf) = @_;
    return $conf->{oidcServiceMetaDataIssuer} // die "the provider has not started yet\n";
}

sub register {
    my ( $request, $anew ) = @_;
    my $asked = $request->{client};
    die "client is missing\n" unless ref $asked eq 'HASH';
    my $id    = client_id( $asked->{id} );
    my $known = $request->{generation} // 0;
    die "generation is invalid\n" if ref $known || $known !~ /^\d{1,9}$/;
    die "the client $id has no secret\n" if $anew && $asked->{public};
    return Configuration::change(
        "client $id",
        sub {
            my ($conf) = @_;
            my $issuer = started($conf);
            my $found  = party( $conf, $id );
            my $before = $json->encode($conf);
            my $name   = $found // "app-$id";
            describe( $conf, $name, $asked );
            my $options = $conf->{oidcRPMetaDataOptions}{$name};
            # After what is refused: nothing is replaced in vain.
            my $older = $known > generation($id);
            generation( $id, $known ) if $older;
            generation( $id, generation($id) + 1 ) if $anew;
            if ( !$asked->{public} ) {
                delete $options->{oidcRPMetaDataOptionsClientSecret} if $older || $anew;
                $options->{oidcRPMetaDataOptionsClientSecret} ||= derived($id);
            }
            my $done =
               !defined $found                 ? 'created'
              : $anew                          ? 'given another secret'
              : $json->encode($conf) eq $before ? 'kept'
              :                                  'changed';
            return {
                issuer => $issuer,
                client => { id => $id, secret => $options->{oidcRPMetaDataOptionsClientSecret} },
                done       => $done,
                generation => generation($id),
            };
        }
    );
}

sub remove {
    my ($request) = @_;
    my $id = client_id( $request->{id} );
    return Configuration::change(
        "client $id removed",
        sub {
            my ($conf) = @_;
            started($conf);
            my $name = party( $conf, $id ) // return { done => 'missing', generation => generation($id) };
            # An app that is connected again gets another secret.
            my $count = generation( $id, generation($id) + 1 );
            delete $conf->{$_}{$name} for grep { /^oidcRPMetaData/ } keys %$conf;
            delete $conf->{applicationList}{apps}{$name};
            return { done => 'removed', generation => $count };
        }
    );
}

sub list {
    my $conf = Configuration::current();
    my $all  = $conf->{oidcRPMetaDataOptions} // {};
    my @clients = map {
        {
            id            => $_->{oidcRPMetaDataOptionsClientID},
            name          => $_->{oidcRPMetaDataOptionsDisplayName},
            redirect_uris => [ split ' ', $_->{oidcRPMetaDataOptionsRedirectUris} // '' ],
        }
    } grep { defined $_->{oidcRPMetaDataOptionsClientID} } values %$all;
    return { issuer => started($conf), clients => [ sort { $a->{id} cmp $b->{id} } @clients ] };
}

sub another {
    Configuration::change( 'another key', sub { started( $_[0] ); Keys::renew( $_[0] ) } );
    return { done => 'rotated' };
}

my %ACTIONS = (
    register     => sub { register( $_[0], 0 ) },
    rotate       => sub { register( $_[0], 1 ) },
    remove       => \&remove,
    list         => \&list,
    'rotate-key' => \&another,
);

my $request = eval { local $/; $json->decode( scalar <STDIN> ) };
if ( ref $request ne 'HASH' ) {
    print STDERR "the request is not JSON\n";
    exit 1;
}
my $answer = eval {
    my $action = $request->{action} // '';
    my $does   = $ACTIONS{$action} // die "there is no action $action\n";
    $does->($request);
};
if ( !$answer ) {
    print STDERR $@;
    exit 1;
}
print $json->encode($answer), "\n" or die "no answer could be written: $!\n";
