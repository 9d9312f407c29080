# Rabbit of libtomcrypt, through CryptX for Perl (Debian: libcryptx-perl): no release of the library itself has it.
# Says the first 32 octets of keystream, then encrypts as many MiB as each line asks for.
use strict;
use warnings;
use Crypt::Stream::Rabbit;

$| = 1;
my $cipher = Crypt::Stream::Rabbit->new(pack('C*', 0 .. 15));
my $mebibyte = "\0" x (1 << 20);
print unpack('H*', $cipher->crypt("\0" x 32)), "\n";
while (my $line = <STDIN>) {
    for (1 .. $line) { my $text = $cipher->crypt($mebibyte); }
    print "done\n";
}
