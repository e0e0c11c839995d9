//! An SSH agent on a pipe: another protocol, with a crate for that protocol, over a `PipeStream`.
//!
//! `cargo run --example ssh_agent`
//!
//! `ssh`, `ssh-add` and Git for Windows look for an agent at `\\.\pipe\openssh-ssh-agent`, or at
//! `SSH_AUTH_SOCK` if it is set. The key of this agent is not secret.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    use std::io;

    use npipes::{Listener, PipeStream, connect_stream, pipe::PeerHandle};
    use signature::{Signer, Verifier};
    use ssh_agent_lib::{
        agent::{Agent, ListeningSocket, Session, listen},
        async_trait,
        client::Client,
        error::AgentError,
        proto::{Identity, PublicCredential, SignRequest},
        ssh_key::{
            PrivateKey, PublicKey, Signature,
            private::{Ed25519Keypair, KeypairData},
        },
    };

    #[derive(Debug)]
    struct Pipe(Listener);

    #[async_trait]
    impl ListeningSocket for Pipe {
        type Stream = PipeStream;

        async fn accept(&mut self) -> io::Result<PipeStream> {
            self.0.accept_stream().await.map_err(io::Error::other)
        }
    }

    struct OneKey(PrivateKey);

    impl Agent<Pipe> for OneKey {
        fn new_session(&mut self, client: &PipeStream) -> impl Session {
            KeyFor { key: self.0.clone(), client: client.peer_handle() }
        }
    }

    struct KeyFor {
        key: PrivateKey,
        client: PeerHandle,
    }

    impl KeyFor {
        fn credential(&self) -> PublicCredential {
            self.key.public_key().key_data().clone().into()
        }
    }

    #[async_trait]
    impl Session for KeyFor {
        async fn request_identities(&mut self) -> Result<Vec<Identity>, AgentError> {
            let comment = self.key.comment().to_owned();
            Ok(vec![Identity { credential: self.credential(), comment }])
        }

        async fn sign(&mut self, request: SignRequest) -> Result<Signature, AgentError> {
            // ssh.exe can be identified by now: its request was read.
            let client = self.client.peer().map_err(AgentError::other)?;
            println!("agent:   signs {} bytes for {}", request.data.len(), client.user_id());
            if request.credential != self.credential() {
                return Err(AgentError::Failure);
            }
            self.key.try_sign(&request.data).map_err(AgentError::other)
        }
    }

    let name = format!("npipes-ssh-agent-{}", std::process::id());
    let key = KeypairData::Ed25519(Ed25519Keypair::from_seed(&[7; 32]));
    let key = PrivateKey::new(key, "an example's key")?;
    let agent = tokio::spawn(listen(Pipe(Listener::bind(&name)?), OneKey(key)));

    let mut agent_of = Client::new(connect_stream(&name).await?);
    for identity in agent_of.request_identities().await? {
        let PublicCredential::Key(key) = &identity.credential else { continue };
        println!("key:     {}", PublicKey::new(key.clone(), identity.comment).to_openssh()?);
        let request = SignRequest {
            credential: identity.credential.clone(),
            data: b"Hello".into(),
            flags: 0,
        };
        let signature = agent_of.sign(request).await?;
        println!("genuine: {}", key.verify(b"Hello", &signature).is_ok());
        println!("of else: {}", key.verify(b"Hullo", &signature).is_ok());
    }
    agent.abort();
    Ok(())
}
