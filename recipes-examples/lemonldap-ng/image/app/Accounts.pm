package Accounts;

# The accounts of the secret `accounts`, as a module of LemonLDAP::NG that knows who may sign
# in (`customAuth`) and what is known of them (`customUserDB`).

use strict;
use warnings;

use Digest::SHA qw(sha256);
use JSON        ();
use Mouse;
use Lemonldap::NG::Portal::Main::Constants qw(PE_OK PE_BADCREDENTIALS);

extends 'Lemonldap::NG::Portal::Auth::_WebForm';

our $VERSION = '0.1.0';

has people => ( is => 'rw' );

use constant FILE => '/run/secrets/accounts';

# By their login; dies of what cannot be used, in words that quote no password.
sub known {
    open my $handle, '<:raw', FILE or die "the secret accounts cannot be read: $!\n";
    local $/;
    my $list = eval { JSON->new->utf8->decode(<$handle>) } // die "the secret accounts is not JSON\n";
    die "the secret accounts has to be a list\n" unless ref $list eq 'ARRAY';
    my ( %known, $at );
    for my $account (@$list) {
        $at++;
        die "account $at of the secret accounts has to be an object\n" unless ref $account eq 'HASH';
        $account->{password} //= $account->{password_hash};
        for my $key (qw(login password email)) {
            my $value = $account->{$key};
            die "account $at of the secret accounts has no $key\n"
              if ref $value || !length( $value // '' );
        }
        my $login = $account->{login};
        # LemonLDAP::NG's own rule (`userControl`): it refuses others before it asks us.
        die "the login $login has letters other than a-z, 0-9 and _.-\@\n"
          unless $login =~ /^[\w.\-@]+$/a;
        die "duplicate login $login\n" if $known{$login};
        my $groups = $account->{groups} //= [];
        die "the groups of $login have to be a list of names\n"
          if ref $groups ne 'ARRAY' || grep { ref || !length || /;/ } @$groups;
        $known{$login} = $account;
    }
    return \%known;
}

sub init {
    my ($self) = @_;
    my $people = eval { known() };
    if ( !$people ) {
        $self->error( $@ =~ s/\n$//r );
        return 0;
    }
    $self->people($people);
    return $self->SUPER::init;
}

# Letters, also where they came as bytes.
sub letters {
    my ($text) = @_;
    utf8::decode($text);
    return $text;
}

sub bytes {
    my ($text) = @_;
    utf8::encode($text);
    return $text;
}

sub getUser {
    my ( $self, $req ) = @_;
    return PE_OK if $self->people->{ $req->user };
    $self->setSecurity($req);
    return PE_BADCREDENTIALS;
}

sub right {
    my ( $account, $password ) = @_;
    $password = bytes( letters($password) );
    my $hash = $account->{password_hash};
    my $made = defined $hash ? crypt $password, $hash : $password;
    # Digests tell nothing by how long it takes to compare them.
    return defined $made && sha256($made) eq sha256( bytes( $hash // $account->{password} ) );
}

sub authenticate {
    my ( $self, $req ) = @_;
    return PE_OK if right( $self->people->{ $req->user }, $req->data->{password} );
    $self->userLogger->warn( 'wrong password for ' . $req->user );
    $self->setSecurity($req);
    return PE_BADCREDENTIALS;
}

sub authLogout { return PE_OK }

sub setSessionInfo {
    my ( $self, $req ) = @_;
    my $account = $self->people->{ $req->user };
    my $session = $req->sessionInfo;
    # LemonLDAP::NG has bytes there, as a directory would give them.
    $session->{uid}            = $account->{login};
    $session->{cn}             = bytes( $account->{name} // $account->{login} );
    $session->{mail}           = bytes( $account->{email} );
    $session->{email_verified} = ( $account->{email_verified} // 1 ) ? 1 : 0;
    return PE_OK;
}

sub setGroups {
    my ( $self, $req ) = @_;
    my @groups = map { bytes($_) } @{ $self->people->{ $req->user }{groups} };
    $req->sessionInfo->{groups}  = join $self->conf->{multiValuesSeparator}, @groups;
    $req->sessionInfo->{hGroups} = { map { $_ => { name => $_ } } @groups };
    return PE_OK;
}

1;
