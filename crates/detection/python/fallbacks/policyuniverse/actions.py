"""Well-known actions, to expand wildcards with: those of the services and resources that policies are asked about most.

Far from all. What a wildcard stands for beyond them keeps its wildcard, whose levels count as all it may be.
"""

_EC2_RESOURCES = """
    customergateway dhcpoptions egressonlyinternetgateway flowlogs internetgateway natgateway networkacl networkaclentry
    networkinterface networkinterfacepermission route routetable securitygroup subnet transitgateway transitgatewayroute
    transitgatewayroutetable transitgatewayvpcattachment vpc vpcendpoint vpcpeeringconnection vpnconnection
    vpnconnectionroute vpngateway keypair launchtemplate placementgroup snapshot volume image
"""

_EC2 = """
    acceptvpcpeeringconnection allocateaddress assignprivateipaddresses associateaddress associatedhcpoptions
    associateroutetable associatesubnetcidrblock associatevpccidrblock attachinternetgateway attachnetworkinterface
    attachvolume attachvpngateway authorizesecuritygroupegress authorizesecuritygroupingress createtags deletetags
    describeaddresses describeimages describeinstances describeinternetgateways describenetworkacls
    describenetworkinterfaces describeregions describeroutetables describesecuritygroups describesnapshots
    describesubnets describetransitgateways describevolumes describevpcs describevpnconnections detachinternetgateway
    detachnetworkinterface detachvpngateway disassociateaddress disassociateroutetable enablevgwroutepropagation
    getconsoleoutput getpassworddata modifyinstanceattribute modifynetworkinterfaceattribute modifysecuritygrouprules
    modifysnapshotattribute modifysubnetattribute modifyvpcattribute modifyvpcendpoint modifyvpnconnection
    rebootinstances rejectvpcpeeringconnection releaseaddress replacenetworkaclassociation replacenetworkaclentry
    replaceroute replaceroutetableassociation revokesecuritygroupegress revokesecuritygroupingress runinstances
    startinstances stopinstances terminateinstances unassignprivateipaddresses
"""

_OTHERS = {
    "iam": """
        addclientidtoopenidconnectprovider addroletoinstanceprofile addusertogroup attachgrouppolicy attachrolepolicy
        attachuserpolicy changepassword createaccesskey creategroup createinstanceprofile createloginprofile createpolicy
        createpolicyversion createrole createsamlprovider createservicelinkedrole createuser deactivatemfadevice
        deleteaccesskey deletegroup deletegrouppolicy deleteloginprofile deletepolicy deleterole deleterolepolicy
        deleteuser deleteuserpolicy detachgrouppolicy detachrolepolicy detachuserpolicy enablemfadevice
        generatecredentialreport getpolicy getpolicyversion getrole getrolepolicy getuser getuserpolicy listaccesskeys
        listgroups listpolicies listroles listusers passrole putgrouppolicy putrolepermissionsboundary putrolepolicy
        putuserpermissionsboundary putuserpolicy setdefaultpolicyversion tagrole taguser untagrole untaguser
        updateaccesskey updateassumerolepolicy updateloginprofile updaterole updateuser
    """,
    "s3": """
        createbucket deletebucket deletebucketpolicy deleteobject deleteobjecttagging getbucketacl getbucketpolicy
        getobject getobjectacl listallmybuckets listbucket putbucketacl putbucketpolicy putbucketpublicaccessblock
        putbuckettagging putbucketversioning putlifecycleconfiguration putobject putobjectacl putobjecttagging
    """,
    "kms": """
        creategrant createkey decrypt describekey disablekey encrypt generatedatakey getkeypolicy listkeys putkeypolicy
        retiregrant revokegrant schedulekeydeletion tagresource untagresource
    """,
    "sts": "assumerole assumerolewithsaml assumerolewithwebidentity getcalleridentity getfederationtoken getsessiontoken",
    "lambda": """
        addpermission createfunction deletefunction getfunction invokefunction listfunctions removepermission tagresource
        updatefunctioncode updatefunctionconfiguration
    """,
    "secretsmanager": """
        createsecret deletesecret describesecret getsecretvalue listsecrets putresourcepolicy putsecretvalue tagresource
    """,
}


def _words(text):
    return text.split()


def known():
    """All of them, as `service:action` in lower case."""
    ec2 = set(_words(_EC2)) | {verb + resource for resource in _words(_EC2_RESOURCES) for verb in ("create", "delete")}
    actions = {f"ec2:{name}" for name in ec2}
    for service, names in _OTHERS.items():
        actions.update(f"{service}:{name}" for name in _words(names))
    return actions
