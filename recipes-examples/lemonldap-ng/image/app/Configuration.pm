package Configuration;

# LemonLDAP::NG's configuration, in the format of its backend `File`: /data/conf/lmConf-N.json,
# of which the highest N counts. A change is another file, whole from the first moment: the
# portal reads it on its next request (portal.psgi). The lock is LemonLDAP::NG's own, so
# `lemonldap-ng-cli` and we wait for each other.

use strict;
use warnings;

use Fcntl qw(:DEFAULT :flock);
use IO::Handle;
use JSON ();
use Lemonldap::NG::Common;

our $DATA   = $ENV{DATA} // '/data';
our $FOLDER = "$DATA/conf";

# Earlier ones are for people; they hold earlier secrets, too.
use constant KEEP => 10;

use constant LOCKED_FOR => 10;

my $json = JSON->new->utf8->canonical->pretty;

sub numbers {
    opendir my $folder, $FOLDER or return;
    return sort { $a <=> $b } map { /^lmConf-(\d+)\.json$/ ? $1 + 0 : () } readdir $folder;
}

# None where there is no such file.
sub read_json {
    my ($file) = @_;
    open my $handle, '<:raw', $file or return $!{ENOENT} ? undef : die "$file: $!\n";
    local $/;
    my $value = eval { $json->decode(<$handle>) };
    die "$file is not JSON\n" unless ref $value;
    return $value;
}

# Replaces a file as a whole: who reads meanwhile sees the old or the new one.
sub write_json {
    my ( $file, $value ) = @_;
    my $part = "$file.$$.part";
    open my $handle, '>:raw', $part or die "$part: $!\n";
    ( print {$handle} $json->encode($value) and $handle->flush and $handle->sync and close $handle )
      or die "$part: $!\n";
    rename $part, $file or die "$file: $!\n";
    return;
}

# The one that counts; empty before the first start.
sub current {
    my @numbers = numbers() or return {};
    return read_json("$FOLDER/lmConf-$numbers[-1].json");
}

# Calls with the configuration, to change it, and keeps what it changed. Answers what the
# call answered.
sub change {
    my ( $why, $call ) = @_;
    my $unlock = lock_it();
    my $answer = eval {
        my $conf   = current();
        my $before = $json->encode($conf);
        my $answer = $call->($conf);
        save( $conf, $why ) if $json->encode($conf) ne $before;
        $answer;
    };
    my $error = $@;
    $unlock->();
    die $error if $error;
    return $answer;
}

sub save {
    my ( $conf, $why ) = @_;
    my @numbers = numbers();
    my $number = ( $numbers[-1] // 0 ) + 1;
    my $file   = "$FOLDER/lmConf-$number.json";
    $conf->{cfgNum}      = 0 + $number;
    $conf->{cfgDate}     = time;
    $conf->{cfgAuthor}   = 'potluck';
    $conf->{cfgAuthorIP} = '127.0.0.1';
    $conf->{cfgLog}      = $why;
    $conf->{cfgVersion}  = $Lemonldap::NG::Common::VERSION;
    write_json( $file, $conf );
    push @numbers, $number;
    unlink map { "$FOLDER/lmConf-$_.json" } splice @numbers, 0, -KEEP if @numbers > KEEP;
    return;
}

# Ours are one after the other by flock, which ends with the process. LemonLDAP::NG's lock
# is a file with a process in it, and stays when that was killed.
sub lock_it {
    open my $ours, '>', "$DATA/lock" or die "$DATA/lock: $!\n";
    flock $ours, LOCK_EX or die "$DATA/lock: $!\n";
    my $file = "$FOLDER/lmConf.lock";
    for my $second ( 0 .. LOCKED_FOR ) {
        if ( sysopen my $theirs, $file, O_WRONLY | O_CREAT | O_EXCL ) {
            print {$theirs} $$ or die "$file: $!\n";
            close $theirs or die "$file: $!\n";
            return sub { unlink $file; close $ours };
        }
        die "$file: $!\n" unless $!{EEXIST};
        if ( open my $held, '<', $file ) {
            my ($by) = ( <$held> // '' ) =~ /^(\d+)/;
            unlink $file if $by && !kill 0, $by;
        }
        sleep 1 if $second < LOCKED_FOR;
    }
    die "the configuration is being changed by somebody else\n";
}

1;
