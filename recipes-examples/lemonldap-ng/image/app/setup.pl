#!/usr/bin/perl
# Brings LemonLDAP::NG's configuration up to date with the recipe's settings, and makes what
# the first start needs. What the settings do not name is left as it is: clients, keys and
# what operators changed by `lemonldap-ng-cli`.

use strict;
use warnings;

use Configuration;
use Keys;

sub setting {
    my ( $name, $default ) = @_;
    my $value = $ENV{$name};
    return length( $value // '' ) ? $value : $default;
}

# One of a few words.
sub choice {
    my ( $name, @words ) = @_;
    my $value = setting( $name, $words[0] );
    die "$name is one of @words, not $value\n" unless grep { $_ eq $value } @words;
    return $value;
}

# A secret without the line end that editors put there.
sub secret {
    my ($name) = @_;
    open my $handle, '<:raw:encoding(UTF-8)', "/run/secrets/$name"
      or die "the secret $name cannot be read: $!\n";
    my $text = do { local $/; <$handle> } // '';
    $text =~ s/^\s+|\s+$//g;
    return length $text ? $text : die "the secret $name is empty\n";
}

sub where {
    my $issuer = setting( 'ISSUER', '' );
    my ( $scheme, $host ) = $issuer =~ m{^(https?)://([a-z0-9][a-z0-9.-]*)(?::\d+)?$}
      or die "ISSUER is written like https://sso.example.org, without a slash at its end: \"$issuer\"\n";
    return (
        portal                    => "$issuer/",
        domain                    => $host,
        oidcServiceMetaDataIssuer => $issuer,
        # Over http, the browser would not send it.
        securedCookie => $scheme eq 'https' ? 1 : 0,
    );
}

my %oidc = (
    issuerDBOpenIDConnectActivation    => 1,
    oidcServiceAllowOnlyDeclaredScopes => 1,
    oidcServiceAllowImplicitFlow       => 0,
    oidcServiceAllowHybridFlow         => 0,
    # Anyone could make a client: the endpoint asks for no token.
    oidcServiceAllowDynamicRegistration => 0,
);

my %storage = (
    globalStorage        => 'Apache::Session::File',
    globalStorageOptions => {
        Directory      => '/data/sessions',
        LockDirectory  => '/data/sessions/lock',
        generateModule => 'Lemonldap::NG::Common::Apache::Session::Generate::SHA256',
    },
    tokenUseGlobalStorage => 1,
    # Sessions are files already: a cache of them would only be older.
    localSessionStorage => '',
);

my %portal = (
    # Time to look for a password, in seconds.
    formTimeout    => 600,
    issuersTimeout => 600,
    # Anyone who guesses passwords waits.
    bruteForceProtection        => 1,
    loginHistoryEnabled         => 1,
    portalDisplayRegister       => 0,
    portalDisplayResetPassword  => 0,
    portalDisplayChangePassword => 0,
    passwordDB                  => 'Null',
    registerDB                  => 'Null',
    whatToTrace                 => 'uid',
);

sub people {
    my $where = choice( 'ACCOUNTS', 'secret', 'ldap' );
    return (
        authentication => 'Custom',
        userDB         => 'Custom',
        customAuth     => 'Accounts',
        customUserDB   => 'Accounts',
        macros         => {},
    ) if $where eq 'secret';

    my ( $login, $dn ) = ( setting( 'LDAP_LOGIN', 'uid' ), setting( 'LDAP_BIND_DN', '' ) );
    my $class = setting( 'LDAP_CLASS', 'inetOrgPerson' );
    for my $needed (qw(LDAP_SERVER LDAP_BASE)) {
        die "$needed is missing: people are in a directory\n" unless setting( $needed, '' );
    }
    return (
        authentication   => 'LDAP',
        userDB           => 'LDAP',
        ldapServer       => setting('LDAP_SERVER'),
        ldapBase         => setting('LDAP_BASE'),
        managerDn        => $dn,
        managerPassword  => length $dn ? secret('ldap_password') : '',
        LDAPFilter       => "(&($login=\$user)(objectClass=$class))",
        AuthLDAPFilter   => "(&($login=\$user)(objectClass=$class))",
        ldapExportedVars => {
            uid  => $login,
            cn   => setting( 'LDAP_NAME',  'cn' ),
            mail => setting( 'LDAP_EMAIL', 'mail' ),
        },
        ldapGroupBase                => setting( 'LDAP_GROUPS_BASE', '' ),
        ldapGroupObjectClass         => setting( 'LDAP_GROUPS_CLASS', 'groupOfNames' ),
        ldapGroupAttributeName       => setting( 'LDAP_GROUPS_MEMBER', 'member' ),
        ldapGroupAttributeNameUser   => setting( 'LDAP_GROUPS_MEMBER_IS', 'dn' ),
        ldapGroupAttributeNameSearch => setting( 'LDAP_GROUPS_NAME', 'cn' ),
        ldapGroupAttributeNameGroup  => 'dn',
        # A directory does not say it; who keeps one mostly gives out the addresses, too.
        macros => {
            email_verified => choice( 'LDAP_EMAIL_VERIFIED', 'true', 'false' ) eq 'true' ? 1 : 0,
        },
    );
}

my %settings = ( where(), people(), %oidc, %storage, %portal );
# Refused here, in one line, instead of by each worker.
if ( $settings{authentication} eq 'Custom' ) {
    require Accounts;
    Accounts::known();
}

Configuration::change(
    'settings of the recipe',
    sub {
        my ($conf) = @_;
        my $extra = $conf->{macros};
        @$conf{ keys %settings } = values %settings;
        # Macros of operators stay.
        $conf->{macros} = { %{ $extra // {} }, %{ $settings{macros} } };
        delete $conf->{macros}{email_verified} unless exists $settings{macros}{email_verified};
        # Encrypts what the portal hands to browsers.
        $conf->{key} //= Keys::random();
        # No site is protected by a handler of this portal.
        $conf->{locationRules} //= {};
        $conf->{captcha}       //= 'NoCaptcha';
        Keys::renew($conf) unless $conf->{oidcServicePrivateKeySig};
        return;
    }
);
